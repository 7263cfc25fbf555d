/**
 * Nodes that fall silent are marked unknown, tainted, and their pods not ready; pods that do not tolerate that for long are
 * deleted. Age is measured from when a heartbeat came here, so no other machine's clock is trusted.
 * Source: Kubernetes documentation, "Nodes", node status and heartbeats; "Taints and Tolerations", taint based evictions.
 */
import type { Kind } from '#api/kind.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { keyOf, type Node, type Pod, type Taint } from '#api/objects.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import { isPodReady, isPodTerminal } from '#api/semantics/pod-status.ts';
import { tolerates } from '#api/semantics/taints.ts';
import { canonicalJson } from '#api/semantics/template-hash.ts';
import { rfc3339 } from '#machinery/clock.ts';
import type { Action, Plan } from '../framework/contract.ts';

type Step = Action<Kind<Node> | Kind<Pod>>;
type Conditions = NonNullable<NonNullable<Node['status']>['conditions']>;

/** Source: Kubernetes, --node-monitor-grace-period; leases are renewed four times in it. */
export const GRACE_MS = 40_000;
/** A node that has left out a heartbeat is not counted among those that are well. */
const QUIET_SHARE = 0.4;
/** Source: Kubernetes, node lifecycle, --unhealthy-zone-threshold and what it is good for. */
const PARTIAL_SHARE = 0.55;
const PARTIAL_LEAST = 3;
const LOOK_AGAIN_MS = 5_000;

/**
 * How many nodes are silent together. `full`: all of them, so it is rather this server that is cut off; `partial`: most. To move their pods
 * would only do harm then.
 */
export type Disruption = 'none' | 'partial' | 'full';

/** One node, as far as that goes. */
export interface Sign {
  /** It says so. */
  ready: boolean;
  heardAt: number;
  /** On the machine of a server, which is heard by that one whatever is cut. */
  atServer?: boolean;
}

export function disruptionOf(nodes: readonly Sign[], now: number, graceMs: number): Disruption {
  const isWell = ({ ready, heardAt }: Sign) => ready && now - heardAt <= graceMs * QUIET_SHARE;
  const silent = nodes.filter((node) => !isWell(node)).length;
  if (silent > 0 && silent === nodes.length) return 'full';
  const others = nodes.filter(({ atServer }) => !atServer);
  // A single one may well have died.
  if (others.length > 1 && !others.some(isWell)) return 'full';
  return silent >= PARTIAL_LEAST && silent / nodes.length >= PARTIAL_SHARE ? 'partial' : 'none';
}

/**
 * After all were silent together each has its grace anew: the first that is heard again must not make the others look lost. Source:
 * Kubernetes, node lifecycle, which counts all nodes from the end of a full disruption.
 */
export class AfterFull {
  readonly #graceMs: number;
  #lastFull = Number.NEGATIVE_INFINITY;

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** What to act on, where `found` is what there is. */
  judge(found: Disruption, now: number): Disruption {
    if (found === 'full') this.#lastFull = now;
    // It is looked for only so often.
    return now - this.#lastFull <= this.#graceMs + LOOK_AGAIN_MS ? 'full' : found;
  }
}

const NOT_READY = 'node.kubernetes.io/not-ready';
const UNREACHABLE = 'node.kubernetes.io/unreachable';
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';

/** Of conditions that keep new pods away while they hold. */
const SHORT_OF: Record<string, string> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
};
const OURS = [NOT_READY, UNREACHABLE, UNSCHEDULABLE, ...Object.values(SHORT_OF)];

const REPORTED = ['Ready', ...Object.keys(SHORT_OF)];

export interface NodeScene {
  node: Node;
  /** When the last sign of life came, ms since the epoch. */
  heardAt: number;
  /** Pods on the node; asked only when it is not ready. */
  pods(): readonly Pod[];
  graceMs: number;
  /** Asked only when it is not ready. */
  disruption(): Disruption;
}

export function planNode(scene: NodeScene, now: number): Plan<Kind<Node> | Kind<Pod>> {
  const { node } = scene;
  if (node.metadata.deletionTimestamp) return { actions: [] };
  const left = scene.heardAt + scene.graceMs - now;
  const conditions = left > 0 ? node.status?.conditions : silenced(node.status?.conditions ?? [], now);
  // A node that has never said anything is not ready, rather than lost.
  const ready = conditionOf(conditions, 'Ready')?.status ?? 'False';
  const actions: Step[] = [];
  if (conditions && canonicalJson(conditions) !== canonicalJson(node.status?.conditions ?? [])) {
    const object = { ...node, status: { ...node.status, conditions } };
    const why = { reason: 'NodeNotReady', message: `no heartbeat for ${scene.graceMs / 1000} s` };
    actions.push({ do: 'updateStatus', kind: NodeKind, object, why });
    actions.push({
      do: 'event',
      about: node,
      type: 'Normal',
      why: { reason: 'NodeNotReady', message: `Node ${node.metadata.name} status is now: NodeNotReady` },
    });
    // The taints follow from the status that was written: planned when it is seen.
    return { actions };
  }
  const disruption = ready === 'True' ? 'none' : scene.disruption();
  const taints = taintsOf(node, ready, now, disruption);
  if (canonicalJson(taints) !== canonicalJson(node.spec?.taints ?? [])) actions.push(taintStep(node, taints));
  const podPlan = planPods(ready === 'True' ? [] : scene.pods(), taints, now, disruption);
  actions.push(...podPlan.actions);
  const waits = [left > 0 ? left : undefined, podPlan.againAfterMs].filter((ms) => ms !== undefined);
  return { actions, ...(waits.length && { againAfterMs: Math.min(...waits) }) };
}

/** What the node last said of itself is no longer known. */
function silenced(conditions: Conditions, now: number): Conditions {
  return REPORTED.map((type) => {
    const old = conditionOf(conditions, type);
    if (old?.status === 'Unknown') return old;
    return {
      ...old,
      type,
      status: 'Unknown',
      reason: old ? 'NodeStatusUnknown' : 'NodeStatusNeverUpdated',
      message: old ? 'Kubelet stopped posting node status.' : 'Kubelet never posted node status.',
      lastTransitionTime: rfc3339(now),
    };
  }).concat(conditions.filter(({ type }) => !REPORTED.includes(type)));
}

/** Those that drive pods away are not added while most nodes are silent, and taken back when all are. */
function taintsOf(node: Node, ready: string, now: number, disruption: Disruption): Taint[] {
  const wanted: Taint[] = [];
  if (node.spec?.unschedulable) wanted.push({ key: UNSCHEDULABLE, effect: 'NoSchedule' });
  for (const [type, key] of Object.entries(SHORT_OF)) {
    if (conditionOf(node.status?.conditions, type)?.status === 'True')
      wanted.push({ key, effect: 'NoSchedule' });
  }
  if (ready !== 'True') {
    const key = ready === 'False' ? NOT_READY : UNREACHABLE;
    wanted.push({ key, effect: 'NoSchedule' });
    const there = node.spec?.taints?.some((taint) => taint.key === key && taint.effect === 'NoExecute');
    if (disruption === 'none' || (disruption === 'partial' && there))
      wanted.push({ key, effect: 'NoExecute', timeAdded: rfc3339(now) as never });
  }
  const old = node.spec?.taints ?? [];
  const same = (a: Taint) => (b: Taint) => a.key === b.key && a.effect === b.effect;
  return [
    ...old.filter((taint) => !OURS.includes(taint.key) || wanted.some(same(taint))),
    ...wanted.filter((taint) => !old.some(same(taint))),
  ];
}

function taintStep(node: Node, taints: Taint[]): Step {
  const { name, uid, resourceVersion } = node.metadata;
  const body = { metadata: { uid, resourceVersion }, spec: { taints } };
  const why = { reason: 'TaintsFollowStatus', message: 'taints follow readiness and cordon' };
  return { do: 'patch', kind: NodeKind, key: name, patch: { type: 'merge', body }, why };
}

/** Marks the pods not ready, and deletes those that have not tolerated the node's taints for long enough. */
function planPods(
  pods: readonly Pod[],
  taints: readonly Taint[],
  now: number,
  disruption: Disruption,
): Plan<Kind<Pod>> {
  const actions: Action<Kind<Pod>>[] = [];
  // Who may be well must not be taken from its Service, nor its place given away.
  if (disruption === 'full') return { actions, againAfterMs: LOOK_AGAIN_MS };
  let next = Number.POSITIVE_INFINITY;
  for (const pod of pods) {
    if (isPodTerminal(pod) || pod.metadata.deletionTimestamp) continue;
    if (isPodReady(pod)) actions.push(notReady(pod, now));
    const at = evictionTime(pod, taints);
    if (at > now) next = Math.min(next, at);
    else if (disruption === 'none') actions.push(eviction(pod));
    else next = Math.min(next, now + LOOK_AGAIN_MS);
  }
  return { actions, ...(Number.isFinite(next) && { againAfterMs: next - now }) };
}

/** When the pod must go because of NoExecute taints; Infinity when it tolerates them for good. */
export function evictionTime(pod: Pod, taints: readonly Taint[]): number {
  let time = Number.POSITIVE_INFINITY;
  for (const taint of taints.filter(({ effect }) => effect === 'NoExecute')) {
    const since = Date.parse(String(taint.timeAdded ?? '')) || 0;
    const matching = pod.spec?.tolerations?.filter((toleration) => tolerates(toleration, taint)) ?? [];
    if (matching.length === 0) return since;
    for (const { tolerationSeconds } of matching) {
      if (tolerationSeconds !== undefined)
        time = Math.min(time, since + Math.max(0, tolerationSeconds) * 1000);
    }
  }
  return time;
}

function notReady(pod: Pod, now: number): Action<Kind<Pod>> {
  const others = pod.status?.conditions?.filter(({ type }) => type !== 'Ready') ?? [];
  const ready = { type: 'Ready', status: 'False', reason: 'NodeNotReady', lastTransitionTime: rfc3339(now) };
  const { uid, resourceVersion } = pod.metadata;
  const body = { metadata: { uid, resourceVersion }, status: { conditions: [...others, ready] } };
  const why = { reason: 'NodeNotReady', message: 'its node is not ready' };
  const patch = { type: 'merge' as const, body };
  return { do: 'patch', kind: PodKind, key: keyOf(pod), patch, subresource: 'status', together: true, why };
}

function eviction(pod: Pod): Action<Kind<Pod>> {
  const why = { reason: 'TaintManagerEviction', message: 'it does not tolerate the taints of its node' };
  const told = { reason: 'TaintManagerEviction', message: `Marking for deletion Pod ${keyOf(pod)}` };
  return {
    do: 'delete',
    kind: PodKind,
    key: keyOf(pod),
    options: { uid: pod.metadata.uid },
    together: true,
    why,
    event: { about: pod, type: 'Normal', why: told },
  };
}
