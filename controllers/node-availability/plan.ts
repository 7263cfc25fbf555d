/**
 * Keeps a node as its availability says: cordoned in `pause` and `drain`, and in `drain` without pods, each of which is evicted as
 * soon as its disruption budget allows it. The condition `Drained` says how far that is.
 */
import type { Kind } from '#api/kind.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { keyOf, type Node, type Pod, type PodDisruptionBudget } from '#api/objects.ts';
import {
  availabilityOf,
  CORDONED,
  DRAINED,
  type DrainOptions,
  drainOf,
  drainOptionsOf,
} from '#api/semantics/availability.ts';
import { conditionOf, withCondition } from '#api/semantics/conditions.ts';
import { whyHeld } from '#api/semantics/disruption-budgets.ts';
import type { Action, Plan } from '../framework/contract.ts';

type Step = Action<Kind<Node> | Kind<Pod>>;
type Condition = NonNullable<NonNullable<Node['status']>['conditions']>[number];

export interface AvailabilityScene {
  node: Node;
  /** Pods on the node; asked only when it is drained. */
  pods(): readonly Pod[];
  /** Of a namespace. */
  budgets(namespace: string): readonly PodDisruptionBudget[];
}

/** Names that a message tells, of however many. */
const TOLD = 5;

export function planAvailability(scene: AvailabilityScene, now: number): Plan<Kind<Node> | Kind<Pod>> {
  const { node } = scene;
  if (node.metadata.deletionTimestamp) return { actions: [] };
  const availability = availabilityOf(node);
  const cordoned = node.metadata.annotations?.[CORDONED];
  if (availability === 'active')
    return {
      actions: [
        ...(cordoned === undefined ? [] : [cordon(node, false, null, 'it is active')]),
        ...statusSteps(node, undefined, now),
      ],
    };
  // Pods would come back to a node that takes new ones: nothing goes before it is seen to be cordoned.
  if (!node.spec?.unschedulable)
    return { actions: [cordon(node, true, availability, `its availability is ${availability}`)] };
  if (availability === 'pause') return { actions: statusSteps(node, undefined, now) };
  const drain = drainNow(scene, drainOptionsOf(node));
  return { actions: [...statusSteps(node, conditionFor(drain), now), ...drain.evictions] };
}

function cordon(node: Node, unschedulable: boolean, mark: string | null, why: string): Step {
  const { name, uid, resourceVersion } = node.metadata;
  const annotations = { [CORDONED]: mark };
  const body = {
    metadata: { uid, resourceVersion, annotations },
    spec: { unschedulable: unschedulable || null },
  };
  const because = { reason: 'AvailabilityChanged', message: why };
  return { do: 'patch', kind: NodeKind, key: name, patch: { type: 'merge', body }, why: because };
}

interface Drain {
  evictions: Step[];
  /** Pods that have to go, of which some are on their way. */
  left: string[];
  /** Those that a budget holds, with its reason. */
  held: string[];
  /** Those that nobody would make anew. */
  unmanaged: string[];
}

function drainNow({ node, pods, budgets }: AvailabilityScene, options: DrainOptions): Drain {
  const drain: Drain = { evictions: [], left: [], held: [], unmanaged: [] };
  for (const pod of [...pods()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))) {
    const fate = drainOf(pod, options);
    if (fate === 'stays') continue;
    const key = keyOf(pod);
    if (fate === 'unmanaged') {
      drain.unmanaged.push(key);
      continue;
    }
    drain.left.push(key);
    if (pod.metadata.deletionTimestamp) continue;
    const reason = whyHeld(pod, budgets(pod.metadata.namespace ?? ''));
    if (reason === undefined) drain.evictions.push(eviction(pod, node, options));
    else drain.held.push(`${key} (${reason})`);
  }
  return drain;
}

function eviction(pod: Pod, node: Node, { gracePeriodSeconds }: DrainOptions): Step {
  const why = { reason: 'NodeIsDrained', message: `its node ${node.metadata.name} is drained` };
  const grace = gracePeriodSeconds === undefined ? {} : { graceSeconds: gracePeriodSeconds };
  const options = { uid: pod.metadata.uid, ...grace };
  return { do: 'evict', kind: PodKind, key: keyOf(pod), options, together: true, why };
}

type Said = Pick<Condition, 'status' | 'reason' | 'message'>;

function conditionFor({ evictions, left, held, unmanaged }: Drain): Said {
  const bare = unmanaged.length
    ? [`without a controller, which stay unless forced: ${listed(unmanaged)}`]
    : [];
  if (left.length === 0 && unmanaged.length === 0)
    return { status: 'True', reason: 'Drained', message: 'no pod is left that has to go' };
  if (left.length === 0) return { status: 'False', reason: 'UnmanagedPods', message: bare[0] };
  const waits = held.length > 0 ? [`held: ${listed(held)}`] : [];
  const count = left.length === 1 ? '1 pod has' : `${left.length} pods have`;
  const message = [`${count} to go: ${listed(left)}`, ...waits, ...bare].join('; ');
  // Only budgets keep it from going on.
  const isHeld = evictions.length === 0 && held.length === left.length;
  return { status: 'False', reason: isHeld ? 'HeldByDisruptionBudget' : 'Draining', message };
}

function listed(names: readonly string[]): string {
  const more = names.length > TOLD ? ` and ${names.length - TOLD} more` : '';
  return names.slice(0, TOLD).join(', ') + more;
}

/** Brings the condition to what is said, or takes it away; an event tells of each change of its reason. */
function statusSteps(node: Node, said: Said | undefined, now: number): Step[] {
  const before = node.status?.conditions ?? [];
  const old = conditionOf(before, DRAINED);
  const after = said
    ? withCondition(before, { type: DRAINED, ...said } as Condition, now)
    : before.filter((one) => one !== old);
  if (said ? after === before : !old) return [];
  const why = said
    ? { reason: said.reason ?? '', message: said.message ?? '' }
    : { reason: 'NotDrained', message: 'it is drained no more' };
  const object = { ...node, status: { ...node.status, conditions: after } };
  const isNews = said !== undefined && said.reason !== old?.reason;
  const type: 'Normal' | 'Warning' =
    said?.reason === 'Drained' || said?.reason === 'Draining' ? 'Normal' : 'Warning';
  const told = isNews ? { event: { about: node, type, why } } : {};
  return [{ do: 'updateStatus', kind: NodeKind, object, why, ...told }];
}
