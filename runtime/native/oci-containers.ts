import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerSpec, type ExecSpec, RuntimeError } from '../contract.ts';
import { bundleOf, execProcess, ROOT_DIRECTORY } from '../oci/bundle.ts';
import {
  type CommandPlace,
  createCommands,
  deleteCommand,
  execCommand,
  killCommand,
} from '../oci/commands.ts';
import { decodeConfig, encodeConfig, type OciConfig } from '../oci/config.ts';
import { cannotRun, lastError } from '../oci/errors.ts';
import type { Handler } from '../oci/handler.ts';
import { encodeCgroup } from './cgroup.ts';
import { containerCgroup, encodeSize, type NodeFacts, STDIN, sandboxCgroup } from './encode.ts';
import { encodeMount, encodeRoot } from './mounts.ts';
import { cgroupDirectories, planOciCgroup } from './oci-cgroups.ts';
import { runProgram } from './oci-programs.ts';
import { Refusal } from './peer.ts';
import { OP, Payload, TAG } from './protocol.ts';
import { directoryOf, type Sandbox, toRuntimeError } from './sandbox.ts';

/** How long `kill` and `delete` may take before they are given up: what is left over is ours to remove. */
const COMMAND_MS = 10_000;

/** A process that is about to be started: what the monitor is sent, and what else belongs to it. */
export interface Launch {
  payload: Payload;
  /** How long the answer may take; left out = as any. */
  timeoutMs?: number;
  /** What became of it, when the monitor refused: in the words of whoever failed. */
  explain(error: unknown): Promise<unknown>;
  /** Removes what was only needed for the start. */
  done(): Promise<void>;
}

/** Of a process that the monitor makes by itself. */
export function ownLaunch(payload: Payload): Launch {
  return { payload, explain: async (error) => error, done: async () => {} };
}

export interface OciOptions {
  /** Directory of bundles, made when needed. */
  directory: string;
  facts: NodeFacts;
  handlers: readonly Handler[];
  /** Mount points that an OCI runtime shall not see: the unified cgroup hierarchy beside v1, which crun refuses to use. */
  hidden: readonly string[];
  heldCapabilities: readonly string[];
  /** How long a start may take, and kill and delete at most. */
  timeoutMs: number;
}

/**
 * Containers of sandboxes that name a handler. Monitor, namespaces, logs and terminals are those of every sandbox; the first
 * process and each exec are made by the handler's program, which the monitor runs (runtime/helper/launch.c). In
 * `<directory>/<sandbox>/<container>`: config.json, rootfs, volumes, the runtime's own state, its log.
 */
export class OciContainers {
  readonly #options: OciOptions;

  constructor(options: OciOptions) {
    this.#options = options;
  }

  /** What OP_START takes, the bundle being written; explain() removes it again. */
  async prepareStart(sandbox: Sandbox, spec: ContainerSpec, record: string): Promise<Launch> {
    const { facts, heldCapabilities } = this.#options;
    const directory = this.#bundle(sandbox, spec.id);
    const path = containerCgroup(facts, sandbox.record.spec, spec.id);
    const { config, staged } = bundleOf({
      ...{ sandbox: sandbox.record.spec, spec, directory, heldCapabilities },
      monitorPid: sandbox.pid,
      initPid: await sandbox.initPid(),
      cgroupPath: `/${path}`,
      cgroupDirectories: cgroupDirectories(facts.ociCgroups, path),
      sharedMemory: facts.sharedMemory,
      leastOomScoreAdj: facts.leastOomScoreAdj,
      recursiveReadOnlyMounts: this.#handler(sandbox).features.recursiveReadOnlyMounts,
    });
    const pod = sandboxCgroup(facts, sandbox.record.spec);
    const place = this.#place(sandbox, spec.id);
    const files = { pidFile: join(directory, 'pid'), ...(spec.tty && { consoleSocket: 'console' }) };
    const payload = new Payload()
      .text(TAG.ID, spec.id)
      .text(TAG.LABELS, JSON.stringify(spec.labels))
      .number(TAG.NAMESPACES, CLONE_NEWNS)
      .nest(TAG.CGROUP, encodeCgroup(planOciCgroup(facts, pod, sandbox.record.spec, spec)))
      .text(TAG.PATH, join(directory, ROOT_DIRECTORY))
      .text(TAG.LOG, spec.logPath)
      .text(TAG.RECORD, record)
      .number(TAG.STDIN, STDIN[spec.stdin])
      .number(TAG.OOM_SCORE, config.process.oomScoreAdj)
      .text(TAG.CWD, directory)
      .nest(TAG.ROOT, encodeRoot(spec.root, facts.overlayLayersByFsconfig));
    for (const mount of staged) payload.nest(TAG.STAGE, encodeMount(mount));
    for (const target of this.#options.hidden) payload.nest(TAG.STAGE, encodeMount({ ...COVER, target }));
    encodeLaunch(payload, createCommands(place, spec.id, directory, files), files, spec.tty);
    // Of a start that was cut off.
    await this.remove(sandbox, spec.id);
    await mkdir(join(directory, ROOT_DIRECTORY), { recursive: true, mode: 0o700 });
    await writeFile(join(directory, CONFIG), encodeConfig(config), { mode: 0o600 });
    return {
      payload,
      timeoutMs: this.#options.timeoutMs,
      explain: async (error) => {
        // It may still hang in the runtime's program.
        if (!sandbox.lost) await sandbox.request(OP.REMOVE, new Payload().text(TAG.ID, spec.id));
        const explained = await this.#explain(error, sandbox, place, spec.args[0]!, 'run');
        await this.remove(sandbox, spec.id);
        return explained;
      },
      done: async () => {},
    };
  }

  /** What OP_EXEC takes. Rejects with RuntimeError NotFound when the container has no bundle. */
  async prepareExec(sandbox: Sandbox, id: string, spec: ExecSpec): Promise<Launch> {
    const bundle = this.#bundle(sandbox, id);
    const process = execProcess((await readConfig(bundle)).process, spec);
    const directory = await mkdtemp(join(bundle, 'exec-'));
    const place = { ...this.#place(sandbox, id), logFile: join(directory, LOG) };
    const files = {
      pidFile: join(directory, 'pid'),
      ...(spec.tty && { consoleSocket: `${directory.slice(bundle.length + 1)}/console` }),
    };
    const file = join(directory, 'process.json');
    await writeFile(file, encodeConfig(process), { mode: 0o600 });
    const payload = new Payload().text(TAG.ID, id).number(TAG.STDIN, spec.stdin ? 1 : 0);
    if (spec.size) encodeSize(payload, spec.size);
    encodeLaunch(payload, [execCommand(place, id, file, files)], files, spec.tty);
    return {
      payload,
      explain: (error) => this.#explain(error, sandbox, place, spec.args[0]!, 'exec'),
      done: () => rm(directory, { recursive: true, force: true }),
    };
  }

  /** Whether the OCI runtime has sent the signal. */
  async kill(sandbox: Sandbox, id: string, signal: number): Promise<boolean> {
    if (!this.#find(sandbox)) return false;
    const { code } = await runProgram(killCommand(this.#place(sandbox, id), id, signal), this.#commandMs);
    return code === 0;
  }

  /**
   * Removes what the OCI runtime knows of a container that does not run any more, and its bundle. A runtime that fails or
   * does not end is no hindrance: its state is in the bundle, and its groups are removed with the container's.
   */
  async remove(sandbox: Sandbox, id: string): Promise<void> {
    const bundle = this.#bundle(sandbox, id);
    const known = await readdir(join(bundle, STATE)).catch(() => []);
    // The program may have been taken from the node while the pod was there.
    if (known.length > 0 && this.#find(sandbox))
      await runProgram(deleteCommand(this.#place(sandbox, id), id), this.#commandMs);
    await rm(bundle, { recursive: true, force: true });
  }

  /** Removes all bundles of a sandbox of which nothing runs any more. */
  async removeAll(sandbox: Sandbox): Promise<void> {
    const directory = join(this.#options.directory, sandbox.directory);
    const ids = await readdir(directory).catch(() => []);
    await Promise.all(ids.map((id) => this.remove(sandbox, id)));
    await rm(directory, { recursive: true, force: true });
  }

  /** Removes the bundles of sandboxes that are not known (any more), by the names of their sockets. */
  async sweep(sockets: readonly string[]): Promise<void> {
    const known = new Set(sockets.map(directoryOf));
    const there = await readdir(this.#options.directory).catch(() => []);
    for (const name of there.filter((candidate) => !known.has(candidate)))
      await rm(join(this.#options.directory, name), { recursive: true, force: true });
  }

  get #commandMs(): number {
    return Math.min(COMMAND_MS, this.#options.timeoutMs);
  }

  #handler(sandbox: Sandbox): Handler {
    const handler = this.#find(sandbox);
    if (handler) return handler;
    throw new RuntimeError('Unsupported', `no runtime for ${JSON.stringify(sandbox.handler)} is configured`);
  }

  #find(sandbox: Sandbox): Handler | undefined {
    return this.#options.handlers.find(({ name }) => name === sandbox.handler);
  }

  #bundle(sandbox: Sandbox, id: string): string {
    return join(this.#options.directory, sandbox.directory, id);
  }

  #place(sandbox: Sandbox, id: string): CommandPlace {
    const bundle = this.#bundle(sandbox, id);
    const { program } = this.#handler(sandbox);
    return { program, stateDirectory: join(bundle, STATE), logFile: join(bundle, LOG) };
  }

  async #explain(
    error: unknown,
    sandbox: Sandbox,
    place: CommandPlace,
    program: string,
    verb: string,
  ): Promise<unknown> {
    if (!(error instanceof RuntimeError) || error.step !== LAUNCH_STEP) return error;
    const step = `${this.#handler(sandbox).name} ${verb}`;
    const said = lastError(await readFile(place.logFile, 'utf8').catch(() => ''));
    if (said === undefined) {
      const how = /(exit status|signal) \d+|killed/.exec(error.message)?.[0] ?? error.message;
      return new RuntimeError('Kernel', `${place.program} ended with ${how}, and said nothing`, step);
    }
    const errno = cannotRun(said, program);
    if (errno !== undefined) return toRuntimeError(new Refusal('exec', errno, program));
    return new RuntimeError('Kernel', `${step}: ${said}`, step);
  }
}

const CLONE_NEWNS = 0x00020000;
const CONFIG = 'config.json';
const LOG = 'log.json';
const STATE = 'state';
/** Of runtime/helper/launch.c: a program failed. */
const LAUNCH_STEP = 'run program';
/** Writable: crun makes groups even there. */
const COVER = { type: 'tmpfs', source: 'tmpfs', options: ['mode=755', 'size=64k'] };

function encodeLaunch(
  payload: Payload,
  commands: string[][],
  files: { pidFile: string; consoleSocket?: string },
  tty: boolean,
): void {
  payload.number(TAG.TTY, tty ? 1 : 0).text(TAG.PID_FILE, files.pidFile);
  if (files.consoleSocket) payload.text(TAG.CONSOLE, files.consoleSocket);
  for (const command of commands) {
    const encoded = new Payload();
    for (const arg of command) encoded.text(TAG.ARG, arg);
    payload.nest(TAG.COMMAND, encoded);
  }
}

async function readConfig(bundle: string): Promise<OciConfig> {
  try {
    return decodeConfig(await readFile(join(bundle, CONFIG), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new RuntimeError('NotFound', 'no such container');
    throw error;
  }
}
