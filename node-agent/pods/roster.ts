import type { Pod } from '#api/objects.ts';
import type { Change, Informer } from '#client/contract.ts';
import { sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { PodAttachment } from '#network/contract.ts';
import type { RuntimeEvent, SandboxState } from '#runtime/contract.ts';
import { isCritical } from '../eviction/words.ts';
import { logDirectory } from '../paths.ts';
import type { PodTokens } from '../sources/tokens.ts';
import { type Allocation, allocationOf, changed, judgeResize } from '../spec/allocation.ts';
import { unenforceableLabel } from '../spec/labels.ts';
import { forbiddenSysctl } from '../spec/sysctls.ts';
import { adopt } from './adopt.ts';
import type { Checkpoints } from './checkpoint.ts';
import { fieldPath, type PodContext } from './context.ts';
import type { Neighbours } from './neighbours.ts';
import type { Observed } from './observed.ts';
import { podsOnDisk, removeOrphan } from './orphans.ts';
import { qosTree } from './qos-tree.ts';
import { type PodWorker, podWorker } from './worker.ts';

/**
 * All pods of this node: one worker each. It begins with what was kept on disk and what the runtime still runs, so that
 * nothing waits for the server; when the server has been heard, pods it no longer has are stopped and what belongs to no pod
 * is removed. Invariant: nothing is removed for lack of an object before the server has said that there is none.
 */
export interface PodRoster {
  get(uid: string): PodWorker | undefined;
  find(namespace: string, name: string): PodWorker | undefined;
  list(): PodWorker[];
  sourcesChanged(uid: string): void;
  /**
   * The machine goes down: ends all that runs within that time, critical pods after the others. Resolves when nothing runs any more;
   * nothing is started from now on.
   */
  halt(times: ShutdownTimes): Promise<void>;
  /** Resolves once everything on the node has an owner or is gone. */
  readonly settled: Promise<void>;
}

/** How long pods have to end when the machine goes down, in ms. Source: kubelet, graceful node shutdown. */
export interface ShutdownTimes {
  regularMs: number;
  /** From when the others have ended. */
  criticalMs: number;
}

export interface RosterOptions {
  context: PodContext;
  tokens: PodTokens;
  checkpoints: Checkpoints;
  informer: Informer<Pod>;
}

/** How long after its end a broken stream of runtime events is opened again. */
const REOPEN_MS = 200;

export async function startRoster(options: RosterOptions): Promise<PodRoster> {
  const roster = new Roster(options);
  await roster.begin();
  return roster;
}

/** A pod whose spec never changed has what it was granted; what else is in force is not known, and written once more. */
function recallResources(pod: Pod, observed: Observed, allocated: Allocation): void {
  const runs = [...observed.containers].flatMap(([name, { run }]) => (run ? [{ name, run }] : []));
  // Those that an older agent has started.
  for (const { name, run } of runs) run.resources ??= allocated[name] ?? {};
  const untouched = runs.every(({ name, run }) => changed(run.resources, allocated[name]).length === 0);
  if (untouched && (pod.metadata.generation ?? 1) === 1) observed.actuated = allocated;
}

type OomEvent = Extract<RuntimeEvent, { type: 'oom' }>;

class Roster implements PodRoster {
  settled: Promise<void> = Promise.resolve();
  readonly #options: RosterOptions;
  readonly #workers = new Map<string, PodWorker>();
  readonly #qos: ReturnType<typeof qosTree>;
  /** What ran when the agent began, until a worker has taken it. */
  #sandboxes = new Map<string, SandboxState>();
  #attachments = new Map<string, PodAttachment>();
  #shutdown: ShutdownTimes | undefined;

  constructor(options: RosterOptions) {
    this.#options = options;
    const { runtime, clock, log, signal, node } = options.context;
    this.#qos = qosTree({
      ...{ runtime, clock, log, signal },
      memoryQos: node.limits?.memoryQos !== undefined,
      ...(node.enforced && { allocatable: node.enforced }),
      pods: () => this.list().flatMap((worker) => worker.allocated()?.spec ?? []),
    });
  }

  get(uid: string): PodWorker | undefined {
    return this.#workers.get(uid);
  }

  find(namespace: string, name: string): PodWorker | undefined {
    const all = this.list().filter(
      (worker) => worker.pod().metadata.name === name && worker.pod().metadata.namespace === namespace,
    );
    // An old namesake may still be on its way out.
    return all.find((worker) => !worker.observed().removed) ?? all[0];
  }

  list(): PodWorker[] {
    return [...this.#workers.values()];
  }

  sourcesChanged(uid: string): void {
    this.#workers.get(uid)?.sourcesChanged();
  }

  async halt(times: ShutdownTimes): Promise<void> {
    this.#shutdown = times;
    const isVital = (worker: PodWorker) => isCritical(worker.pod());
    await Promise.all(this.list().flatMap((one) => (isVital(one) ? [] : one.halt(times.regularMs))));
    await Promise.all(this.list().flatMap((one) => (isVital(one) ? one.halt(times.criticalMs) : [])));
  }

  async begin(): Promise<void> {
    const { context, checkpoints, informer } = this.#options;
    const events = context.runtime.watch(context.signal);
    const [kept, sandboxes, attachments] = await Promise.all([
      checkpoints.load(),
      context.runtime.list(),
      context.network.attached(),
    ]);
    this.#sandboxes = new Map(sandboxes.map((sandbox) => [sandbox.id, sandbox]));
    this.#attachments = attachments;
    for (const { pod, allocated } of kept) this.#add(pod, allocated);
    this.#qos.touch();
    void this.#follow(events);
    informer.onChange((change) => this.#take(change));
    this.settled = informer.synced.then(() => this.#settle());
    this.settled.catch((error) =>
      context.log.error('What belongs to no pod could not be removed', { error: messageOf(error) }),
    );
  }

  #add(pod: Pod, kept?: Allocation): void {
    const { context, tokens, checkpoints } = this.#options;
    const uid = pod.metadata.uid!;
    const observed = adopt(pod, this.#sandboxes.get(uid), this.#attachments.get(uid), context.clock.now());
    // A pod is granted at first what it came with: the scheduler has seen to that.
    observed.allocated = { ...allocationOf(pod.spec!), ...kept };
    if (this.#shutdown) observed.haltMs = this.#shutdown.regularMs;
    checkpoints.allocate(uid, observed.allocated);
    this.#qos.touch();
    recallResources(pod, observed, observed.allocated);
    if (observed.sandbox === 'none') this.#judge(pod, observed);
    this.#sandboxes.delete(uid);
    this.#attachments.delete(uid);
    const worker = podWorker(pod, observed, context, tokens, this.#neighbours);
    this.#workers.set(uid, worker);
    checkpoints.save(pod);
    void worker.gone.then(() => this.#forget(worker));
  }

  /** A pod that this node does not take ends before anything of it is made. */
  #judge(pod: Pod, observed: Observed): void {
    const { node, recorder, profiles, refusal } = this.#options.context;
    if (observed.terminal) return;
    const rejection =
      refusal?.(pod) ??
      forbiddenSysctl(pod.spec!, node.allowedUnsafeSysctls ?? []) ??
      unenforceableLabel(pod.spec!, profiles);
    if (!rejection) return;
    const message = `Pod was rejected: ${rejection.message}`;
    observed.terminal = { phase: 'Failed', reason: rejection.reason, message, rejected: true };
    recorder.record(pod, 'Warning', rejection);
  }

  async #forget(worker: PodWorker): Promise<void> {
    const { context, checkpoints } = this.#options;
    if (context.signal.aborted) return;
    this.#workers.delete(worker.uid);
    this.#freed();
    try {
      await checkpoints.remove(worker.uid);
      await context.files.remove(logDirectory(context.paths, worker.pod()));
    } catch (error) {
      context.log.warn('Files of a deleted pod could not be removed', {
        uid: worker.uid,
        error: messageOf(error),
      });
    }
  }

  readonly #neighbours: Neighbours = {
    judge: (pod) => {
      const { uid } = pod.metadata;
      const others = this.list().flatMap((worker) => (worker.uid === uid ? [] : (worker.allocated() ?? [])));
      return judgeResize(
        pod.spec!,
        others.map(({ spec }) => spec!),
        this.#options.context.node.allocatable,
      );
    },
    commit: async (uid, allocation) => {
      const { checkpoints } = this.#options;
      checkpoints.allocate(uid, allocation);
      await checkpoints.flush();
      this.#freed();
    },
  };

  /** Something may be free now: who was put off asks again. */
  #freed(): void {
    for (const worker of this.list()) worker.resizeAgain();
    this.#qos.touch();
  }

  #take(change: Change<Pod>): void {
    const { object } = change;
    const uid = object.metadata.uid!;
    const worker = this.#workers.get(uid);
    if (change.type === 'deleted') {
      worker?.removed(object);
      return;
    }
    if (change.type === 'modified' && change.previous.metadata.uid !== uid) {
      this.#workers.get(change.previous.metadata.uid!)?.removed();
    }
    if (!worker) {
      this.#add(object);
      return;
    }
    worker.update(object);
    this.#options.checkpoints.save(object);
  }

  /** The server has been heard: what it does not know ends here. */
  async #settle(): Promise<void> {
    const { informer, context } = this.#options;
    const known = new Set(informer.list().map(({ metadata }) => metadata.uid));
    for (const worker of this.list()) if (!known.has(worker.uid)) worker.removed();
    const onDisk = await podsOnDisk(context);
    const orphans = new Set([...this.#sandboxes.keys(), ...this.#attachments.keys(), ...onDisk]);
    for (const uid of orphans) if (!this.#workers.has(uid)) await removeOrphan(uid, context);
    this.#sandboxes.clear();
    this.#attachments.clear();
  }

  /** Exits and losses as they happen; after a break, everything is looked at again. */
  async #follow(first: AsyncIterable<RuntimeEvent>): Promise<void> {
    const { context } = this.#options;
    let events = first;
    while (!context.signal.aborted) {
      try {
        for await (const event of events) this.#handle(event);
      } catch (error) {
        if (context.signal.aborted) return;
        context.log.warn("The runtime's events broke off", { error: messageOf(error) });
      }
      if (context.signal.aborted) return;
      await sleep(context.clock, REOPEN_MS, context.signal).catch(() => undefined);
      if (context.signal.aborted) return;
      events = context.runtime.watch(context.signal);
      await this.#relist();
    }
  }

  #handle(event: RuntimeEvent): void {
    const worker = this.#workers.get(event.sandbox ?? '');
    if (event.type === 'oom') this.#sayOom(event, worker);
    else if (event.type === 'lost') worker?.lost();
    else worker?.exited(event.container, event.exit);
  }

  /** As the kubelet tells it of the node, and the node problem detector of a limit. */
  #sayOom({ process, pid, wholeNode, container }: OomEvent, worker: PodWorker | undefined): void {
    const { recorder, node } = this.#options.context;
    if (wholeNode) {
      const about = { apiVersion: 'v1', kind: 'Node', metadata: { name: node.name, uid: node.name } };
      const message = `System OOM encountered, victim process: ${process}, pid: ${pid}`;
      recorder.record(about, 'Warning', { reason: 'SystemOOM', message });
    }
    if (!worker || !container) return;
    const message = `Memory cgroup out of memory: Killed process ${pid} (${process})`;
    const name = container.slice(0, container.lastIndexOf('.'));
    worker.oomKills.set(name, (worker.oomKills.get(name) ?? 0) + 1);
    const pod = worker.pod();
    recorder.record(pod, 'Warning', { reason: 'OOMKilling', message }, fieldPath(pod, name));
  }

  async #relist(): Promise<void> {
    const { context } = this.#options;
    const ready = this.list().filter((worker) => worker.observed().sandbox === 'ready');
    try {
      const found = new Map((await context.runtime.list()).map((sandbox) => [sandbox.id, sandbox]));
      for (const worker of ready) {
        const sandbox = found.get(worker.uid);
        if (!sandbox || sandbox.state === 'lost') worker.lost();
        else for (const { id, exit } of sandbox.containers) if (exit) worker.exited(id, exit);
      }
    } catch (error) {
      context.log.warn('The runtime could not be asked what runs', { error: messageOf(error) });
    }
  }
}
