import type { Pod } from '#api/objects.ts';
import type { Timer } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { ExitStatus } from '#runtime/contract.ts';
import type { PodTokens } from '../sources/tokens.ts';
import { allocationOf, withAllocation } from '../spec/allocation.ts';
import { containerId } from '../spec/container.ts';
import { fieldPath, type PodContext } from './context.ts';
import { type Effect, effectKey } from './effects.ts';
import { execute, type Work } from './executor.ts';
import { EffectFault } from './fault.ts';
import { type Fact, learn, learnFailure } from './learn.ts';
import type { Neighbours } from './neighbours.ts';
import { type Observed, STAGES, type Terminal } from './observed.ts';
import { podStatus } from './status.ts';
import { ending, fresh, isHalted, step } from './step.ts';
import { terminationMessage } from './termination.ts';
import { ephemeralContainers, type View } from './view.ts';

/**
 * Brings one pod of this node to what its object says, and back to nothing. It holds no rules: it looks (step.ts), begins
 * what is not under way, takes in what became known (learn.ts), tells the status, and looks again. Invariant: an
 * effect is never under way twice.
 */
export interface PodWorker {
  readonly uid: string;
  pod(): Pod;
  observed(): Observed;
  /** A newer version of the object. */
  update(pod: Pod): void;
  /** The object is gone from the API. */
  removed(pod?: Pod): void;
  /** A ConfigMap or Secret it uses has changed, or a Service it may name. */
  sourcesChanged(): void;
  exited(containerId: string, exit: ExitStatus): void;
  /** The machine goes down: ends what runs within that time, and starts nothing. Resolves when nothing runs any more. */
  halt(graceMs: number): Promise<void>;
  lost(): void;
  /** The node ends it, for good; harmless when it has ended. */
  end(terminal: Terminal): void;
  /** The pod with what it has been granted of the node; undefined = it needs nothing any more. */
  allocated(): Pod | undefined;
  /** Somebody has given something back: a resize that was put off may fit. */
  resizeAgain(): void;
  /** Processes that the kernel has killed for want of memory, by container. */
  readonly oomKills: Map<string, number>;
  /** Resolves when nothing of the pod is left here. */
  readonly gone: Promise<void>;
}

export function podWorker(
  pod: Pod,
  observed: Observed,
  context: PodContext,
  tokens: PodTokens,
  neighbours: Neighbours,
): PodWorker {
  const worker = new Worker(pod, observed, context, tokens, neighbours);
  worker.look();
  void worker.recallLastWords();
  return worker;
}

/** Steps in a row without waiting for anything: more would be a loop. */
const MAX_STEPS = 100;
/** A pod that cannot be planned is looked at again after this: what was wrong with it may have changed. */
const BROKEN_MS = 10_000;

class Worker implements PodWorker {
  readonly oomKills = new Map<string, number>();
  readonly uid: string;
  readonly gone: Promise<void>;
  readonly #context: PodContext;
  readonly #tokens: PodTokens;
  readonly #neighbours: Neighbours;
  readonly #observed: Observed;
  readonly #busy = new Set<string>();
  readonly #preStopped = new Set<string>();
  /** Exits that came before their start was told. */
  readonly #early = new Map<string, ExitStatus>();
  /** The newest start of each container: aborts when it has ended, so that its hooks do not outlive it. */
  readonly #ends = new Map<string, { attempt: number; ended: AbortController }>();
  #pod: Pod;
  #timer: Timer | undefined;
  #looking = false;
  #again = false;
  #setGone!: () => void;
  readonly #halted: Promise<void>;
  #setHalted!: () => void;

  constructor(pod: Pod, observed: Observed, context: PodContext, tokens: PodTokens, neighbours: Neighbours) {
    this.#pod = pod;
    this.#neighbours = neighbours;
    this.#observed = observed;
    this.#context = context;
    this.#tokens = tokens;
    this.uid = pod.metadata.uid!;
    this.gone = new Promise((resolve) => {
      this.#setGone = resolve;
    });
    this.#halted = new Promise((resolve) => {
      this.#setHalted = resolve;
    });
  }

  pod(): Pod {
    return this.#pod;
  }

  observed(): Observed {
    return this.#observed;
  }

  update(pod: Pod): void {
    const images = imagesOf(this.#pod);
    // Files of the downward API show names; a new ephemeral container may need ConfigMaps that no other does.
    const changed =
      !sameNames(this.#pod, pod) || ephemeralContainers(this.#pod).length < ephemeralContainers(pod).length;
    this.#pod = pod;
    if (changed) learn(this.#observed, { is: 'volumesChanged' });
    for (const [name, image] of imagesOf(pod)) {
      if (images.get(name) === image) continue;
      // An image changed in place: fetch the new one and replace the container that runs the old one.
      this.#observed.images.delete(name);
      const run = this.#observed.containers.get(name)?.run;
      if (!run || run.exit) continue;
      const message = `Container ${name} definition changed, will be restarted`;
      learn(this.#observed, {
        is: 'unhealthy',
        container: name,
        attempt: run.attempt,
        why: { reason: 'Killing', message },
      });
    }
    this.look();
  }

  removed(pod?: Pod): void {
    if (pod) this.#pod = pod;
    this.#tell({ is: 'removed' });
  }

  sourcesChanged(): void {
    this.#tell({ is: 'volumesChanged' });
  }

  exited(id: string, exit: ExitStatus): void {
    const found = this.#find(id);
    if (!found) this.#early.set(id, exit);
    else void this.#end(found.name, found.attempt, exit);
  }

  lost(): void {
    this.#context.prober.stopPod(this.uid);
    for (const { ended } of this.#ends.values()) ended.abort();
    this.#tell({ is: 'sandboxLost', nowMs: this.#context.clock.now() });
  }

  async halt(graceMs: number): Promise<void> {
    this.#tell({ is: 'halted', graceMs });
    await Promise.race([this.#halted, this.gone]);
  }

  end(terminal: Terminal): void {
    this.#tell({ is: 'ended', terminal });
  }

  allocated(): Pod | undefined {
    const { stage } = this.#observed;
    return stage === 'finished' || stage === 'gone' ? undefined : this.#granted();
  }

  resizeAgain(): void {
    if (this.#observed.pending) this.#tell({ is: 'resizeAgain' });
  }

  #granted(): Pod {
    return withAllocation(this.#pod, this.#observed.allocated);
  }

  /** Looks until there is nothing more to begin. */
  look(): void {
    this.#again = true;
    if (this.#looking) return;
    this.#looking = true;
    try {
      for (let steps = 0; this.#again && !this.#context.signal.aborted; steps++) {
        if (steps > MAX_STEPS) throw new Error(`pod ${this.#pod.metadata.name} does not come to rest`);
        this.#again = false;
        this.#once();
      }
    } catch (error) {
      // One pod that cannot be planned must not end the agent, and with it the care for all others.
      const { name, namespace } = this.#pod.metadata;
      const fields = { pod: `${namespace}/${name}`, error: messageOf(error), stack: (error as Error).stack };
      this.#context.log.error('A pod cannot be planned and is left as it is for now', fields);
      this.#wakeAt(this.#context.clock.now() + BROKEN_MS);
    } finally {
      this.#looking = false;
    }
  }

  #once(): void {
    const view = this.#view();
    if (this.#observed.stage === 'gone') return;
    const { next, effects, wakeAtMs } = step(view);
    if (next !== this.#observed.stage) this.#enter(next, view);
    this.#publish();
    for (const effect of fresh(effects, this.#busy)) this.#begin(effect);
    this.#wakeAt(wakeAtMs);
    if (isHalted(view)) this.#setHalted();
  }

  #view(): View {
    return {
      pod: this.#granted(),
      wanted: allocationOf(this.#pod.spec!),
      observed: this.#observed,
      busy: this.#busy,
      nowMs: this.#context.clock.now(),
    };
  }

  #enter(stage: Observed['stage'], view: View): void {
    const end = ending(view);
    if (STAGES.indexOf(stage) > 0 && end) learn(this.#observed, { is: 'ended', terminal: end });
    this.#observed.stage = stage;
    this.#again = true;
    if (stage !== 'gone') return;
    this.#timer?.cancel();
    this.#context.prober.stopPod(this.uid);
    this.#context.status.forget(this.uid);
    this.#setGone();
  }

  #publish(): void {
    if (this.#observed.removed || this.#observed.stage === 'gone') return;
    this.#context.status.put(this.#pod, podStatus(this.#view(), this.#context.node));
  }

  #wakeAt(atMs: number): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#context.clock.timer(atMs - this.#context.clock.now(), () => this.look());
  }

  #begin(effect: Effect): void {
    const key = effectKey(effect);
    this.#busy.add(key);
    void this.#run(effect, key);
  }

  async #run(effect: Effect, key: string): Promise<void> {
    const work: Work = {
      pod: this.#granted(),
      wantedPod: this.#pod,
      neighbours: this.#neighbours,
      observed: this.#observed,
      context: this.#context,
      tokens: this.#tokens,
      preStopped: this.#preStopped,
      ended: (container, attempt) => this.#ended(container, attempt).signal,
      tell: (fact) => this.#tell(fact),
    };
    const { sourcesRevision } = this.#observed;
    try {
      await execute(effect, work);
      if (effect.do !== 'resolveImage') this.#observed.retries.delete(key);
    } catch (error) {
      if (!this.#context.signal.aborted) this.#failed(effect, key, error, sourcesRevision);
    }
    this.#busy.delete(key);
    if (!this.#context.signal.aborted) this.look();
  }

  #failed(effect: Effect, key: string, error: unknown, sourcesRevision: number): void {
    const { clock, log, recorder } = this.#context;
    const fault =
      error instanceof EffectFault ? error.fault : { reason: 'Failed', message: messageOf(error) };
    const maxMs = error instanceof EffectFault ? error.maxRetryMs : undefined;
    const { name, namespace } = this.#pod.metadata;
    log.warn('A step of a pod failed and is tried again', {
      pod: `${namespace}/${name}`,
      step: key,
      error: fault.message,
    });
    learnFailure(this.#observed, key, fault, clock.now(), { maxMs, sourcesRevision });
    if (effect.do === 'startContainer')
      learn(this.#observed, { is: 'waiting', container: effect.container, why: fault });
    else recorder.record(this.#pod, 'Warning', fault);
  }

  #tell(fact: Fact): void | Promise<void> {
    if (this.#context.signal.aborted) return;
    if (fact.is === 'exited') return this.#end(fact.container, fact.attempt, fact.exit);
    this.#learn(fact);
    if (fact.is === 'started') {
      const exit = this.#early.get(fact.run.id);
      this.#early.delete(fact.run.id);
      if (exit) void this.#end(fact.container, fact.run.attempt, exit);
    }
  }

  #learn(fact: Fact): void {
    learn(this.#observed, fact);
    this.look();
  }

  /** Reads the last words of a container, then takes its exit in. */
  async #end(name: string, attempt: number, exit: ExitStatus): Promise<void> {
    this.#context.prober.stop(this.uid, containerId(name, attempt));
    this.#ended(name, attempt).abort();
    const message = await this.#lastWords(name, attempt, exit);
    if (this.#context.signal.aborted) return;
    this.#learn({ is: 'exited', container: name, attempt, exit, ...(message !== '' && { message }) });
    this.#sayBackOff(name);
  }

  async #lastWords(name: string, attempt: number, exit: ExitStatus): Promise<string> {
    try {
      return await terminationMessage(this.#pod, name, attempt, exit.code, this.#context);
    } catch (error) {
      return `the termination message could not be read: ${messageOf(error)}`;
    }
  }

  /** Reads what containers said that ended while no agent was there. */
  async recallLastWords(): Promise<void> {
    for (const [name, { run }] of this.#observed.containers) {
      if (!run?.exit || run.message !== undefined) continue;
      const message = await this.#lastWords(name, run.attempt, run.exit);
      if (message !== '') this.#tell({ is: 'lastWords', container: name, attempt: run.attempt, message });
    }
  }

  #ended(name: string, attempt: number): AbortController {
    const known = this.#ends.get(name);
    if (known?.attempt === attempt) return known.ended;
    const ended = new AbortController();
    if (!known || known.attempt < attempt) this.#ends.set(name, { attempt, ended });
    return ended;
  }

  #sayBackOff(name: string): void {
    const state = this.#observed.containers.get(name);
    const status = podStatus(this.#view(), this.#context.node);
    const all = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
    const waiting = all.find((one) => one.name === name);
    if (!state || waiting?.state?.waiting?.reason !== 'CrashLoopBackOff') return;
    const { name: pod, namespace, uid } = this.#pod.metadata;
    const message = `Back-off restarting failed container ${name} in pod ${pod}_${namespace}(${uid})`;
    this.#context.recorder.record(
      this.#pod,
      'Warning',
      { reason: 'BackOff', message },
      fieldPath(this.#pod, name),
    );
  }

  #find(id: string): { name: string; attempt: number } | undefined {
    for (const [name, { run, last }] of this.#observed.containers) {
      for (const one of [run, last]) if (one?.id === id) return { name, attempt: one.attempt };
    }
    return undefined;
  }
}

function sameNames(one: Pod, other: Pod): boolean {
  const names = ({ metadata: { labels, annotations } }: Pod) => JSON.stringify([labels, annotations]);
  return names(one) === names(other);
}

function imagesOf(pod: Pod): Map<string, string> {
  const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return new Map(all.map(({ name, image }) => [name, image ?? '']));
}
