/**
 * The scheduler: places each pod that has no node, one after the other and from memory, and binds them together. A pod
 * that fits nowhere waits until something changes that could help it, or for a while; the reason is told in an event
 * and a condition.
 */
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { keyOf, type Node, type ObjectKey, type Pod } from '#api/objects.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import { isPodTerminal } from '#api/semantics/pod-status.ts';
import { canonicalJson } from '#api/semantics/template-hash.ts';
import type { Change, Client, Informer } from '#client/contract.ts';
import { type EventRecorder, eventRecorder } from '#client/events.ts';
import { startInformer } from '#client/informer.ts';
import { type Clock, rfc3339 } from '#machinery/clock.ts';
import type { Component, Health, Running } from '#machinery/component.ts';
import { isStatus, messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { WorkQueue } from '#machinery/queue.ts';
import type { Random } from '#machinery/random.ts';
import { AttemptCounts, type AttemptResult } from './attempt-counts.ts';
import { ClusterState } from './cluster-state.ts';
import { place, type Refusal, refusalText } from './place.ts';
import { needsOf } from './pod-needs.ts';
import { WaitingPods } from './waiting-pods.ts';

export interface SchedulerDeps {
  client: Client;
  clock: Clock;
  random: Random;
  log: Logger;
  /** Pods with this spec.schedulerName are placed. Default `default-scheduler`. */
  schedulerName?: string;
}

const DEFAULT_SCHEDULER = 'default-scheduler';

/** Bindings under way at once. */
const BINDINGS = 64;
/** After a binding that failed. */
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;

export const schedulerComponent: Component<SchedulerDeps> = {
  name: 'scheduler',
  start: async (deps, signal) => new Scheduler(deps, signal),
};

class Scheduler implements Running {
  readonly ready: Promise<void>;
  readonly #deps: SchedulerDeps;
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  readonly #cluster = new ClusterState();
  readonly #waiting: WaitingPods;
  readonly #queue: WorkQueue<ObjectKey>;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #events: EventRecorder;
  readonly #attempts = new AttemptCounts();
  #health: Health = { ok: false, message: 'the first lists are not complete' };

  constructor(deps: SchedulerDeps, crash: AbortSignal) {
    const { client, clock, random, log } = deps;
    this.#deps = deps;
    this.#signal = AbortSignal.any([crash, this.#over.signal]);
    const onError = (error: unknown) => log.warn('a watch broke', { error: messageOf(error) });
    const informer = { client, clock, random, signal: this.#signal, onError };
    this.#pods = startInformer({ ...informer, kind: PodKind });
    this.#nodes = startInformer({ ...informer, kind: NodeKind });
    this.#events = eventRecorder({
      client,
      clock,
      component: this.#name,
      signal: this.#signal,
      action: (reason) => (reason === 'Scheduled' ? 'Binding' : 'Scheduling'),
    });
    this.#queue = new WorkQueue({
      clock,
      random,
      concurrency: BINDINGS,
      firstRetryMs: FIRST_RETRY_MS,
      maxRetryMs: MAX_RETRY_MS,
      work: (key) => this.#schedule(key),
      onError: (key, error) => log.warn('a pod could not be bound', { key, error: messageOf(error) }),
    });
    this.#waiting = new WaitingPods({ clock, retry: (key, delayMs) => this.#queue.addAfter(key, delayMs) });
    this.ready = Promise.all([this.#pods.synced, this.#nodes.synced]).then(() => this.#begin());
  }

  health(): Health {
    return this.#health;
  }

  metrics(): string {
    const pending = { active: this.#queue.length, unschedulable: this.#waiting.asleep };
    return this.#attempts.text(this.#name, pending);
  }

  async stop(): Promise<void> {
    await this.#queue.stop();
    this.#waiting.stop();
    await this.#events.flush();
    this.#over.abort();
  }

  get #name(): string {
    return this.#deps.schedulerName ?? DEFAULT_SCHEDULER;
  }

  #begin(): void {
    // Nodes first: a pod that is looked at before them would seem to fit nowhere.
    this.#nodes.onChange((change) => this.#onNode(change));
    this.#pods.onChange((change) => this.#onPod(change));
    this.#health = { ok: true };
  }

  #onNode(change: Change<Node>): void {
    if (change.type === 'deleted') this.#cluster.removeNode(change.object.metadata.name);
    else this.#cluster.setNode(change.object);
    if (change.type === 'added' || (change.type === 'modified' && mayHelp(change.previous, change.object)))
      this.#waiting.wakeAll();
  }

  #onPod(change: Change<Pod>): void {
    const pod = change.object;
    const key = keyOf(pod);
    if (change.type === 'deleted' || isPodTerminal(pod)) {
      const freed = this.#cluster.nodeOf(key) !== undefined;
      this.#cluster.removePod(key);
      this.#waiting.forget(key);
      if (freed) this.#waiting.wakeAll();
      return;
    }
    this.#cluster.setPod(pod);
    if (pod.spec?.nodeName) {
      this.#waiting.forget(key);
      // A newly placed pod may be the neighbour that another one wants.
      if (change.type === 'added' || !change.previous.spec?.nodeName) this.#waiting.wakeThoseWithAffinity();
      return;
    }
    if (!this.#isMine(pod)) return;
    if (change.type === 'modified' && sameWishes(change.previous, pod)) return;
    this.#queue.add(key);
  }

  #isMine(pod: Pod): boolean {
    return (
      !pod.spec?.nodeName &&
      !pod.metadata.deletionTimestamp &&
      !isPodTerminal(pod) &&
      !pod.spec?.schedulingGates?.length &&
      (pod.spec?.schedulerName ?? DEFAULT_SCHEDULER) === this.#name
    );
  }

  async #schedule(key: ObjectKey): Promise<void> {
    const pod = this.#pods.get(key);
    if (this.#signal.aborted || !pod || !this.#isMine(pod) || this.#cluster.isAssumed(key)) return;
    const needs = needsOf(pod);
    const { clock, random } = this.#deps;
    const begun = clock.monotonic();
    const ended = (result: AttemptResult) => this.#attempts.ended(result, clock.monotonic() - begun);
    const placement = place(needs, this.#cluster, random);
    if ('refused' in placement) {
      ended('unschedulable');
      return this.#refuse(pod, placement.refused);
    }
    this.#cluster.assume(needs, placement.node);
    try {
      await this.#bind(pod, placement.node);
      ended('scheduled');
    } catch (error) {
      ended('error');
      this.#cluster.forget(key);
      // Gone, or bound by somebody else: the informer will say so.
      if (!isStatus(error, 'NotFound', 'Conflict')) throw error;
    }
  }

  async #bind(pod: Pod, node: string): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    await this.#deps.client.post(PodKind, { namespace, name }, 'binding', {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { namespace, name, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    });
    this.#waiting.forget(keyOf(pod));
    const message = `Successfully assigned ${namespace}/${name} to ${node}`;
    this.#events.record(pod, 'Normal', { reason: 'Scheduled', message });
  }

  async #refuse(pod: Pod, refusal: Refusal): Promise<void> {
    const message = refusalText(refusal);
    this.#waiting.add(keyOf(pod), Boolean(pod.spec?.affinity || pod.spec?.topologySpreadConstraints));
    this.#events.record(pod, 'Warning', { reason: 'FailedScheduling', message });
    const old = conditionOf(pod.status?.conditions, 'PodScheduled');
    if (old?.status === 'False' && old.message === message) return;
    const lastTransitionTime =
      old?.status === 'False' ? old.lastTransitionTime : rfc3339(this.#deps.clock.now());
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime,
    };
    const { namespace, name, uid } = pod.metadata;
    const body = { metadata: { uid }, status: { conditions: [condition] } };
    try {
      await this.#deps.client.patch(PodKind, { namespace, name }, { type: 'strategic', body }, 'status');
    } catch (error) {
      if (!isStatus(error, 'NotFound', 'Conflict')) throw error;
    }
  }
}

/** Whether a node changed in a way that could let a pod in; heartbeats do not. */
function mayHelp(before: Node, after: Node): boolean {
  const view = (node: Node) =>
    canonicalJson([
      node.spec,
      node.metadata.labels ?? {},
      node.status?.allocatable ?? {},
      conditionOf(node.status?.conditions, 'Ready')?.status ?? '',
    ]);
  return view(before) !== view(after);
}

/** Whether nothing changed that placing the pod depends on. */
function sameWishes(before: Pod, after: Pod): boolean {
  const view = (pod: Pod) => canonicalJson([pod.spec, pod.metadata.labels ?? {}]);
  return view(before) === view(after);
}
