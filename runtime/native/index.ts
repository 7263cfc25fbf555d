import { chmod, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { every } from '#machinery/clock.ts';
import { Broadcast } from '../broadcast.ts';
import {
  type ContainerSpec,
  type ContainerState,
  type ContainerStats,
  type ExecSpec,
  type ExitStatus,
  type ProcessStreams,
  type Resources,
  type Runtime,
  RuntimeError,
  type RuntimeEvent,
  type RuntimeInfo,
  type SandboxId,
  type SandboxSpec,
  type SandboxState,
} from '../contract.ts';
import { refuseSandbox } from '../oci/bundle.ts';
import { requireHandler, validateContainer, validateExec, validateSandbox } from '../validate.ts';
import { explainProfile } from './apparmor.ts';
import { decodeContainer, encodeExec, encodeSandbox, encodeStart, type NodeFacts } from './encode.ts';
import { Groups } from './groups.ts';
import { HeldIds } from './held-ids.ts';
import { HelperClient } from './helper-client.ts';
import { watchOom } from './kernel-log.ts';
import { type NativeRuntimeOptions, type ProbedNode, probeNode } from './node.ts';
import { OciContainers, ownLaunch } from './oci-containers.ts';
import { type Peer, Refusal } from './peer.ts';
import { checkPropagation } from './propagation.ts';
import { type Fields, OP, Payload, TAG } from './protocol.ts';
import { Sandbox, toRuntimeError } from './sandbox.ts';
import { asStep, STATE_VERSION, StateDirectory, socketOf } from './state.ts';
import { processStreams } from './streams.ts';
import { type Orphans, sweep } from './sweep.ts';
import { Turns, together } from './turns.ts';
import { type UpgradeReport, upgradeHelper, upgradeMonitors } from './upgrade.ts';
import { WatchedGroups } from './watched-groups.ts';

const SIGTERM = 15;
/** How long a kill may take beyond the grace: a process stuck in the kernel does not die. */
const KILL_MARGIN_MS = 30_000;
const SWEEP_PERIOD_MS = 60_000;

/**
 * Containers by the kernel. The agent's half: it decides everything and sends it to the helper (which starts monitors)
 * and to the monitors (one per sandbox, see README.md), both of which outlive this process.
 */
export class NativeRuntime implements Runtime {
  readonly #options: NativeRuntimeOptions;
  readonly #facts: NodeFacts;
  readonly #files: StateDirectory;
  readonly #groups: Groups;
  readonly #watched: WatchedGroups;
  readonly #events = new Broadcast<RuntimeEvent>();
  readonly #sandboxes = new Map<SandboxId, Sandbox>();
  /** What is being created, started or removed, by id: the next call about it waits its turn. */
  readonly #turns = new Turns();
  readonly #info: RuntimeInfo;
  readonly #oci: OciContainers;
  readonly #ids: HeldIds;
  /** Sandboxes that a newer version has made, with the version of their record: not ours to touch. */
  #newer: ReadonlyMap<SandboxId, number> = new Map();
  readonly #stop = new AbortController();
  #upgraded: UpgradeReport = { helper: false, monitors: [], kept: [] };
  /** The node's helper; the network room uses its `exchange`. */
  readonly helper: HelperClient;

  private constructor(options: NativeRuntimeOptions, probed: ProbedNode, helper: HelperClient) {
    const { facts, info, oci } = probed;
    this.#options = options;
    this.#facts = facts;
    this.#info = info;
    this.#oci = new OciContainers(oci);
    this.#ids = new HeldIds(probed.noUserNamespaces);
    this.#files = new StateDirectory(options.stateDirectory);
    this.#groups = new Groups(facts, this.#files, this.#turns, options.clock);
    this.#watched = new WatchedGroups(facts, helper);
    this.helper = helper;
    this.helper.onReconnect = () => void this.#adoptAll();
  }

  /** Starts or adopts the helper and everything that was running. */
  static async open(options: NativeRuntimeOptions): Promise<NativeRuntime> {
    const files = new StateDirectory(options.stateDirectory);
    await mkdir(options.runDirectory, { recursive: true });
    await chmod(options.runDirectory, 0o700);
    await files.initialise();
    const helper = new HelperClient(options);
    const replaced = await upgradeHelper(helper, options.binDirectory);
    const runtime = new NativeRuntime(options, await probeNode(options, files, helper), helper);
    await runtime.#load();
    await runtime.sweep();
    runtime.#upgraded = { helper: replaced, ...(await runtime.#upgrade()) };
    every(options.clock, SWEEP_PERIOD_MS, runtime.#stop.signal, async () => {
      // The next one tries again.
      await runtime.sweep().catch(() => undefined);
    });
    watchOom(options.clock, runtime.#stop.signal, options.cgroupRoot, (event) => runtime.#events.send(event));
    return runtime;
  }

  /** Which programs were replaced by the installed ones when this runtime opened. */
  get upgraded(): UpgradeReport {
    return this.#upgraded;
  }

  async info(): Promise<RuntimeInfo> {
    return structuredClone(this.#info);
  }

  createSandbox(spec: SandboxSpec): Promise<SandboxState> {
    return this.#turns.run(spec.id, async () => {
      validateSandbox(spec);
      requireHandler(spec, this.#info.handlers);
      if (spec.handler) refuseSandbox(spec);
      this.#refuseNewer(spec.id);
      const existing = this.#sandboxes.get(spec.id);
      if (existing) return await existing.state(this.#files);
      const make = () => this.#create(spec);
      return (await this.#ids.hold(spec, this.#sandboxes.values(), make)).ready([]);
    });
  }

  removeSandbox(id: SandboxId): Promise<void> {
    return this.#turns.run(id, async () => {
      const sandbox = this.#sandboxes.get(id);
      if (!sandbox) return this.#refuseNewer(id);
      sandbox.leaving = true;
      await this.#destroy(sandbox);
      this.#sandboxes.delete(id);
    });
  }

  startContainer(sandboxId: SandboxId, spec: ContainerSpec): Promise<ContainerState> {
    return this.#turns.run(`${sandboxId}/${spec.id}`, () => this.#start(sandboxId, spec));
  }

  async stopContainer(
    sandbox: SandboxId,
    id: string,
    graceMs: number,
    signal = SIGTERM,
  ): Promise<ExitStatus> {
    const grace = Math.max(0, Math.trunc(graceMs));
    const found = this.#sandbox(sandbox);
    await this.#groups.thaw(found, id);
    // An OCI runtime knows best who is to get it; where it fails the first process does. Signal 0 reaches nobody.
    const sent = found.handler && grace > 0 && (await this.#oci.kill(found, id, signal));
    const payload = new Payload()
      .text(TAG.ID, id)
      .number(TAG.GRACE_MS, grace)
      .number(TAG.SIGNAL, sent ? 0 : signal);
    const answer = await found.request(OP.STOP, payload, grace + KILL_MARGIN_MS);
    return decodeContainer(answer).exit!;
  }

  async removeContainer(sandboxId: SandboxId, id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (!sandbox) return;
    await this.#groups.thaw(sandbox, id);
    if (!sandbox.lost) await sandbox.request(OP.REMOVE, new Payload().text(TAG.ID, id));
    if (sandbox.handler) await this.#oci.remove(sandbox, id);
    await this.#files.removeContainer(sandboxId, id);
  }

  async reopenLog(sandbox: SandboxId, container: string): Promise<void> {
    await this.#sandbox(sandbox).request(OP.REOPEN_LOG, new Payload().text(TAG.ID, container));
  }

  async updateResources(id: SandboxId, container: string | undefined, resources: Resources): Promise<void> {
    await this.#groups.update(this.#sandbox(id), container, resources);
  }

  async updateParent(cgroupParent: string, resources: Resources): Promise<void> {
    await this.#groups.updateParent(cgroupParent, resources);
  }

  async pause(sandbox: SandboxId, container: string): Promise<void> {
    await this.#groups.pause(this.#sandbox(sandbox), container);
  }

  async resume(sandbox: SandboxId, container: string): Promise<void> {
    await this.#groups.resume(this.#sandbox(sandbox), container);
  }

  async exec(sandbox: SandboxId, container: string, spec: ExecSpec): Promise<ProcessStreams> {
    const found = this.#sandbox(sandbox);
    validateExec(spec, found.record.spec);
    found.refusePaused(container);
    const launch = found.handler
      ? await this.#oci.prepareExec(found, container, spec)
      : ownLaunch(encodeExec(container, spec));
    try {
      const { peer } = await this.#session(sandbox, OP.EXEC, launch.payload);
      return processStreams(peer, this.#options.clock, spec.stdin);
    } catch (error) {
      throw await launch.explain(error);
    } finally {
      await launch.done();
    }
  }

  async attach(sandbox: SandboxId, container: string): Promise<ProcessStreams> {
    const { peer, answer } = await this.#session(sandbox, OP.ATTACH, new Payload().text(TAG.ID, container));
    return processStreams(peer, this.#options.clock, answer.number(TAG.STDIN) === 1);
  }

  async dial(sandbox: SandboxId, port: number): Promise<Duplex> {
    const peer = await this.#sandbox(sandbox).open(true);
    try {
      return await peer.requestRaw(OP.DIAL, new Payload().number(TAG.PORT, port));
    } catch (error) {
      peer.close();
      throw error instanceof Refusal ? toRuntimeError(error) : error;
    }
  }

  async stats(sandbox: SandboxId, container?: string): Promise<ContainerStats> {
    return await this.#groups.stats(this.#sandbox(sandbox), container);
  }

  async list(): Promise<SandboxState[]> {
    return await Promise.all([...this.#sandboxes.values()].map((sandbox) => sandbox.state(this.#files)));
  }

  watch(signal: AbortSignal): AsyncIterable<RuntimeEvent> {
    return this.#events.read(signal);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const sandbox of this.#sandboxes.values()) sandbox.disconnect();
    await this.helper.close();
  }

  /** Finds and removes what no sandbox accounts for; says what it removed. Works by itself once a minute. */
  async sweep(): Promise<Orphans> {
    const { runDirectory, cgroupRoot } = this.#options;
    const mountPoints = [this.#files.anchor, this.#files.sharedMemory, this.#files.sharedProc];
    const places = { cgroups: this.#facts.cgroups, cgroupRoot, runDirectory, mountPoints };
    return await sweep(places, {
      // What is in the making is accounted for too.
      sockets: () =>
        new Set([...this.#sandboxes.keys(), ...this.#newer.keys(), ...this.#turns.names].map(socketOf)),
      removeCgroup: (group) =>
        this.#turns.run(group.id, async () => {
          if (this.#sandboxes.has(group.id) || this.#newer.has(group.id)) return false;
          // Of whatever handler it was.
          for (const handler of ['oci', '']) await this.#watched.remove({ ...group, handler });
          return true;
        }),
      unmount: async (path) => {
        await this.helper.request(OP.UNMOUNT, new Payload().text(TAG.PATH, path));
      },
    });
  }

  /** Takes the whole instance down: sandboxes, cgroups, helper. Only the directories given are left. */
  async destroy(): Promise<void> {
    for (const { id } of await this.list()) await this.removeSandbox(id);
    await this.#watched.removeAll();
    await this.helper.shutdown();
    await this.close();
  }

  async #start(sandboxId: SandboxId, spec: ContainerSpec): Promise<ContainerState> {
    const sandbox = this.#sandbox(sandboxId);
    validateContainer(spec, sandbox.record.spec.userNamespace);
    const record = this.#files.exitPath(sandboxId, spec.id);
    if (sandbox.lost) throw new RuntimeError('Unavailable', `sandbox ${sandboxId} is lost: remove it`);
    await checkPropagation(spec.mounts);
    // One that is there already answers for itself: its bundle is in use.
    const through = sandbox.handler && !(await sandbox.has(spec.id));
    const launch = through
      ? await this.#oci.prepareStart(sandbox, spec, record)
      : ownLaunch(encodeStart(this.#facts, sandbox.record.spec, spec, record));
    for (const path of this.#files.syncedWith(sandboxId, spec.id)) launch.payload.text(TAG.SYNC, path);
    const logs = mkdir(dirname(spec.logPath), { recursive: true, mode: 0o750 });
    const [started, saved] = await Promise.allSettled([
      asStep('make log directory', logs).then(() =>
        sandbox.request(OP.START, launch.payload, launch.timeoutMs),
      ),
      this.#files.saveContainer(sandboxId, spec.id, spec.labels, this.#options.clock.now()),
    ]);
    if (started.status === 'rejected') {
      if (!sandbox.lost) await this.#files.removeContainer(sandboxId, spec.id);
      throw explainProfile(spec, await launch.explain(started.reason));
    }
    if (saved.status === 'rejected') {
      // One that was there before has its record, and stays.
      if (!(await this.#files.hasContainer(sandboxId, spec.id)))
        await this.removeContainer(sandboxId, spec.id);
      throw saved.reason;
    }
    return decodeContainer(started.value);
  }

  async #create(spec: SandboxSpec): Promise<Sandbox> {
    const socket = socketOf(spec.id);
    const createdAtMs = this.#options.clock.now();
    const payload = encodeSandbox(this.#facts, spec, socket);
    const sandbox = this.#make({ version: STATE_VERSION, spec: structuredClone(spec), socket, createdAtMs });
    try {
      // Both at once: what a crash leaves without its record is found by the sweep of the next start.
      await together(
        this.#files.save(sandbox.record),
        this.helper.request(OP.SANDBOX, payload).then(() => sandbox.connect()),
      );
    } catch (error) {
      sandbox.leaving = true;
      // One that cannot be taken down now is there as lost, to be removed; the caller must hear why it could not be made.
      await this.#destroy(sandbox).catch(() => this.#sandboxes.set(spec.id, sandbox));
      throw error instanceof Refusal ? toRuntimeError(error) : error;
    }
    this.#sandboxes.set(spec.id, sandbox);
    return sandbox;
  }

  #make(record: Sandbox['record']): Sandbox {
    const { clock, runDirectory } = this.#options;
    const sandbox: Sandbox = new Sandbox(record, clock, runDirectory, (event) => {
      if (event.type === 'lost') void this.#watched.kill(record.spec);
      this.#events.send(event);
    });
    return sandbox;
  }

  async #destroy(sandbox: Sandbox): Promise<void> {
    for (const container of sandbox.paused) await this.#groups.thaw(sandbox, container);
    // A monitor that cannot be asked any more has its leftovers removed by the helper.
    if (!sandbox.lost) await sandbox.request(OP.DESTROY).catch(() => undefined);
    sandbox.disconnect();
    const { spec, socket } = sandbox.record;
    await this.#watched.remove(spec);
    if (spec.handler) await this.#oci.removeAll(sandbox);
    await rm(join(this.#options.runDirectory, socket), { force: true });
    await this.#files.remove(spec.id);
  }

  async #load(): Promise<void> {
    const { records, damaged, newer } = await this.#files.load();
    this.#newer = newer;
    for (const id of damaged) await this.#files.remove(id);
    await this.#oci.sweep([...records.map(({ spec }) => spec.id), ...newer.keys()].map(socketOf));
    await Promise.all(
      records.map(async (record) => {
        const sandbox = this.#make(record);
        this.#sandboxes.set(record.spec.id, sandbox);
        try {
          await sandbox.connect();
          await this.#groups.findPaused(sandbox);
        } catch {
          // Nobody there, or one that could not make its sandbox: `list` says lost.
          sandbox.disconnect();
          sandbox.leaving = false;
          sandbox.markLost();
          await this.#watched.kill(record.spec);
        }
      }),
    );
    await this.#adoptAll();
  }

  async #upgrade(): Promise<Omit<UpgradeReport, 'helper'>> {
    const living = [...this.#sandboxes.values()].filter((sandbox) => !sandbox.lost);
    return await upgradeMonitors(this.helper, living, this.#options.clock);
  }

  async #adoptAll(): Promise<void> {
    for (const { lost, pid, record } of this.#sandboxes.values())
      if (!lost) await this.#watched.adopt(pid, record.spec);
  }

  #refuseNewer(id: SandboxId): void {
    const version = this.#newer.get(id);
    if (version !== undefined) throw this.#files.tooNew(id, version);
  }

  #sandbox(id: SandboxId): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) throw new RuntimeError('NotFound', `no sandbox ${id}`);
    return sandbox;
  }

  /** A connection of its own for one exec or attach. */
  async #session(id: SandboxId, op: number, payload: Payload): Promise<{ peer: Peer; answer: Fields }> {
    const peer = await this.#sandbox(id).open();
    try {
      return { peer, answer: await peer.request(op, payload) };
    } catch (error) {
      peer.close();
      throw error instanceof Refusal ? toRuntimeError(error) : error;
    }
  }
}
