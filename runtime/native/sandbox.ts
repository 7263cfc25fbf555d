import { getSystemErrorName } from 'node:util';
import type { Clock } from '#machinery/clock.ts';
import {
  type ContainerState,
  RuntimeError,
  type RuntimeErrorCode,
  type RuntimeEvent,
  type SandboxState,
} from '../contract.ts';
import { decodeContainer, decodeExit } from './encode.ts';
import { explainIdmap } from './idmap.ts';
import { Peer, Refusal } from './peer.ts';
import { Fields, OP, Payload, TAG } from './protocol.ts';
import { withSocketPath } from './sockets.ts';
import type { SandboxRecord, StateDirectory } from './state.ts';

const ENOENT = 2;
const EACCES = 13;
const ENOTDIR = 20;
const ESRCH = 3;
const EBUSY = 16;
const ENODEV = 19;
const EINVAL = 22;
const ERANGE = 34;

/** One sandbox as the agent sees it: its record, and the connection with its monitor while there is one. */
export class Sandbox {
  readonly record: SandboxRecord;
  readonly #clock: Clock;
  readonly #runDirectory: string;
  readonly #announce: (event: RuntimeEvent) => void;
  #peer: Peer | undefined;
  #lostAtMs: number | undefined;
  #pid = 0;
  /** Containers that are frozen. */
  readonly paused = new Set<string>();
  /** The end of the connection is wanted: no loss. */
  leaving = false;

  constructor(
    record: SandboxRecord,
    clock: Clock,
    runDirectory: string,
    announce: (event: RuntimeEvent) => void,
  ) {
    this.record = record;
    this.#clock = clock;
    this.#runDirectory = runDirectory;
    this.#announce = announce;
  }

  get id(): string {
    return this.record.spec.id;
  }

  /** Of the OCI runtime that runs its containers; empty = we do. */
  get handler(): string {
    return this.record.spec.handler ?? '';
  }

  /** Name for directories of its own: short, and as safe as a socket's. */
  get directory(): string {
    return directoryOf(this.record.socket);
  }

  /** The first process of the pid namespace that the pod's containers share; 0 = they share none. */
  async initPid(): Promise<number> {
    return (await this.request(OP.LIST)).number(TAG.INIT_PID);
  }

  /** Whether the monitor has a container of that id, running or exited. */
  async has(container: string): Promise<boolean> {
    return (await this.#containers()).some(({ id }) => id === container);
  }

  get pid(): number {
    return this.#pid;
  }

  get lost(): boolean {
    return this.#peer === undefined;
  }

  /** Connects and subscribes to exits. Rejects with Refusal when the sandbox could not be made. */
  async connect(): Promise<void> {
    const peer = await this.open();
    peer.onFrame = (frame) => {
      if (frame.op !== OP.EXITED) return;
      const fields = new Fields(frame.payload);
      this.paused.delete(fields.text(TAG.CONTAINER));
      this.#announce({
        type: 'exited',
        sandbox: this.id,
        container: fields.text(TAG.CONTAINER),
        exit: decodeExit(fields),
      });
    };
    peer.onClose = () => this.#gone();
    this.#peer = peer;
    const [hello] = await Promise.all([peer.request(OP.HELLO), peer.request(OP.WATCH)]);
    this.#pid = hello.number(TAG.PID);
  }

  /** A new connection with the monitor, for a session. Rejects with RuntimeError Unavailable. */
  async open(allowHalfOpen = false): Promise<Peer> {
    return await withSocketPath(this.#runDirectory, this.record.socket, async (path) => {
      try {
        return await Peer.connect(path, this.#clock, { allowHalfOpen });
      } catch (error) {
        throw new RuntimeError(
          'Unavailable',
          `the monitor of sandbox ${this.id} cannot be reached: ${error}`,
        );
      }
    });
  }

  /** Nothing can begin in a frozen group. Throws RuntimeError Busy. */
  refusePaused(container: string): void {
    if (this.paused.has(container))
      throw new RuntimeError('Busy', `container ${container} is paused: resume it first`);
  }

  markLost(): void {
    this.#lostAtMs ??= this.#clock.now();
  }

  async request(op: number, payload?: Payload, timeoutMs?: number): Promise<Fields> {
    if (!this.#peer) throw new RuntimeError('Unavailable', `sandbox ${this.id} is lost: remove it`);
    try {
      return await this.#peer.request(op, payload, timeoutMs);
    } catch (error) {
      throw error instanceof Refusal ? toRuntimeError(error) : error;
    }
  }

  /** Has the monitor become another program; rejects with Refusal when it does not, and runs on as it was. */
  async become(path: string): Promise<void> {
    if (!this.#peer) throw new RuntimeError('Unavailable', `sandbox ${this.id} is lost`);
    await this.#peer.request(OP.UPGRADE, new Payload().text(TAG.PATH, path));
  }

  async state(files: StateDirectory): Promise<SandboxState> {
    if (this.#peer) {
      try {
        return this.ready(await this.#containers());
      } catch (error) {
        // It may go between two questions; anything but its loss is an error.
        if (this.#peer) throw error;
      }
    }
    this.markLost();
    const containers = await files.lostContainers(this.id, this.#lostAtMs!);
    return { ...this.#common(), state: 'lost', networkNamespace: '', containers };
  }

  /** As it is while its monitor lives, with these containers. */
  ready(containers: ContainerState[]): SandboxState {
    const own = this.record.spec.namespaces.network === 'pod';
    const networkNamespace = own ? `/proc/${this.#pid}/ns/net` : '';
    return { ...this.#common(), state: 'ready', networkNamespace, containers };
  }

  #common() {
    const { spec, createdAtMs } = this.record;
    const common = { id: spec.id, labels: { ...spec.labels }, createdAtMs };
    return spec.userNamespace ? { ...common, userNamespace: { ...spec.userNamespace } } : common;
  }

  disconnect(): void {
    this.leaving = true;
    this.#peer?.close();
    this.#peer = undefined;
  }

  async #containers(): Promise<ContainerState[]> {
    const fields = await this.request(OP.LIST);
    return fields
      .all(TAG.CONTAINER)
      .map(decodeContainer)
      .map((state) => (this.paused.has(state.id) ? { ...state, paused: true as const } : state))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  #gone(): void {
    this.#peer = undefined;
    if (this.leaving) return;
    this.markLost();
    this.#announce({
      type: 'lost',
      sandbox: this.id,
      message: 'its monitor is gone, and with it its containers',
    });
  }
}

/** Name for directories of the sandbox that serves that socket. */
export function directoryOf(socket: string): string {
  return socket.replace(/\.sock$/, '');
}

/** In the words of people: what the monitor refused, and why. */
export function toRuntimeError(refusal: Refusal): RuntimeError {
  if (refusal.step === 'exec') return cannotRun(refusal);
  const unmappable = explainIdmap(refusal);
  if (unmappable) return unmappable;
  if (refusal.step === 'find container' && (refusal.errno === ENOENT || refusal.errno === ESRCH)) {
    return new RuntimeError(
      'NotFound',
      refusal.errno === ENOENT ? 'no such container' : 'the container is not running',
    );
  }
  if (refusal.step === 'set cgroup limit') return limitRefused(refusal.errno, refusal.detail);
  return refusal.toRuntimeError();
}

/** What the kernel says to a limit: `file` is the one it was written to, its errno the reason. */
export function limitRefused(errno: number, file: string): RuntimeError {
  const name = file.slice(file.lastIndexOf('/') + 1);
  const fault = (code: RuntimeErrorCode, what: string) => new RuntimeError(code, what, 'set cgroup limit');
  switch (errno) {
    case ENOENT:
    case EACCES: // what cannot even be created in a cgroup
      return fault('Unsupported', `this node's kernel has no ${name}`);
    case ENODEV:
      return fault('Unsupported', `there is no such device to limit by ${name}`);
    case EBUSY:
      return fault('Busy', `${name}: more than that is in use`);
    case EINVAL:
    case ERANGE:
      return fault('InvalidSpec', `the kernel takes no such value for ${name}`);
    default:
      return fault('Kernel', `${name}: ${getSystemErrorName(-errno)}`);
  }
}

/** The exit codes and words of the OCI runtimes. */
function cannotRun(refusal: Refusal): RuntimeError {
  const program = JSON.stringify(refusal.detail);
  if (refusal.errno === ENOENT || refusal.errno === ENOTDIR) {
    const message = refusal.detail.includes('/')
      ? `exec: ${program}: stat ${refusal.detail}: no such file or directory`
      : `exec: ${program}: executable file not found in $PATH`;
    return new RuntimeError('CannotRun', message, 'exec', 127);
  }
  const why = WHY[refusal.errno] ?? `errno ${refusal.errno}`;
  return new RuntimeError('CannotRun', `exec: ${program}: ${why}`, 'exec', 126);
}

const ENOEXEC = 8;
const EISDIR = 21;
const E2BIG = 7;
const ENOMEM = 12;
const EPERM = 1;

const WHY: Record<number, string> = {
  [EPERM]: 'operation not permitted',
  [E2BIG]: 'argument list too long',
  [ENOEXEC]: 'exec format error',
  [ENOMEM]: 'cannot allocate memory',
  [EACCES]: 'permission denied',
  [EISDIR]: 'is a directory',
};
