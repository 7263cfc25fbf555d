/**
 * pods/eviction: a delete that disruption budgets may refuse. A budget's status says how many pods may go; an eviction
 * takes one of them in a conditional write, so that two evictions never take the same.
 * Source: policy/v1 Eviction; Kubernetes documentation, "API-initiated Eviction".
 */

import type { Kind } from '#api/kind.ts';
import { PodDisruptionBudgetKind } from '#api/kinds/pod-disruption-budget.ts';
import type { ApiObject, Pod, PodDisruptionBudget } from '#api/objects.ts';
import { withCondition } from '#api/semantics/conditions.ts';
import {
  budgetsFor,
  DISRUPTION_ALLOWED,
  exhaustedText,
  isBeyondBudgets,
  isPodGoing,
  isStillProcessed,
  mayGoUnhealthy,
  stillProcessedText,
} from '#api/semantics/disruption-budgets.ts';
import { isPodReady } from '#api/semantics/pod-status.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { isStatus, StatusError } from '#machinery/errors.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import { parseItem } from '../cache/item.ts';
import { decodeBody, fieldValidationOf } from '../encoding/body.ts';
import { badRequest, conflict, forbidden, methodNotAllowed, notFound } from '../engine/faults.ts';
import { MAX_TRIES } from '../engine/parts.ts';
import type { RemoveOptions } from '../engine/remove.ts';
import { checkDeleteOptions, type DeleteOptions } from './options.ts';
import { respondValue, type Scope } from './scope.ts';
import { removeOptionsOf } from './write.ts';

const STATUS = { kind: 'Status', apiVersion: 'v1', metadata: {} };
const SUCCESS = { ...STATUS, status: 'Success', code: 201 };
/** Kubernetes gives no reason for this one. */
const SEVERAL_BUDGETS = {
  ...STATUS,
  status: 'Failure',
  message: 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
  code: 500,
};

const BUDGETS = PodDisruptionBudgetKind as unknown as Kind;

/** Evicted pods whose end nobody has noted yet; more of them mean that nothing keeps the budget. */
const MAX_DISRUPTED_PODS = 2000;

const RETRY_SECONDS = 10;

/** How a pod may go: as it is only, when the budget was judged by that. */
interface Leave {
  ifUnchanged: boolean;
  budget?: string;
}

/** Deletes a pod as soon as its budget allows it. TooManyRequests with cause DisruptionBudget while it does not. */
export async function serveEviction(scope: Scope): Promise<TransportResponse> {
  const { context, parts, stored, namespace, name, kind } = scope;
  if (context.info.verb !== 'create') throw methodNotAllowed();
  const asked = evictionOf(scope);
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    // What refuses the delete itself must cost the budget nothing.
    await parts.engine.remove(stored, namespace, name, { ...asked, dryRun: true });
    const pod = await podOf(scope);
    const budgets = isBeyondBudgets(pod) ? [] : budgetsOf(scope, pod);
    if (budgets.length > 1) return respondValue(scope, SEVERAL_BUDGETS, 500);
    const leave = await leaveOf(scope, pod, budgets[0], asked);
    const resourceVersion =
      asked.resourceVersion ?? (leave.ifUnchanged ? pod.metadata.resourceVersion : undefined);
    try {
      await evict(scope, { ...asked, ...(resourceVersion && { resourceVersion }) });
      return respondValue(scope, SUCCESS, 201);
    } catch (error) {
      if (!isStatus(error, 'Conflict') || asked.resourceVersion || !leave.ifUnchanged) throw error;
      if (leave.budget) throw stillProcessed(leave.budget);
    }
  }
  throw conflict(kind, name);
}

function evictionOf(scope: Scope): RemoveOptions {
  const { context, parts, name } = scope;
  const { object, warnings } = decodeBody(
    context.request,
    'io.k8s.api.policy.v1.Eviction',
    fieldValidationOf(context.info.query),
    parts.formats,
  );
  context.warnings.push(...warnings);
  if (object.metadata?.name !== name) throw badRequest('name in URL does not match name in Eviction object');
  if (object.metadata.namespace && object.metadata.namespace !== scope.namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  const options = (object as { deleteOptions?: DeleteOptions }).deleteOptions ?? {};
  checkDeleteOptions(options);
  return removeOptionsOf(scope, options);
}

async function podOf({ parts, stored, namespace, name }: Scope): Promise<Pod> {
  const item = await parts.storage.read(stored, namespace, name);
  if (!item) throw notFound(stored, name);
  return parseItem(item) as Pod;
}

function budgetsOf({ parts, namespace }: Scope, pod: Pod): PodDisruptionBudget[] {
  return budgetsFor(pod, parts.engine.list(PodDisruptionBudgetKind, namespace));
}

async function leaveOf(
  scope: Scope,
  pod: Pod,
  budget: PodDisruptionBudget | undefined,
  options: RemoveOptions,
): Promise<Leave> {
  // A pod that has not begun may become ready, and so one that a budget counts.
  if (!budget) return { ifUnchanged: isBeyondBudgets(pod) && !isPodGoing(pod) };
  const { name } = budget.metadata;
  if (!isPodReady(pod) && mayGoUnhealthy(budget)) return { ifUnchanged: true, budget: name };
  await take(scope, name, options);
  return { ifUnchanged: false };
}

/** Takes one disruption from the budget, in the name of the pod. */
async function take(scope: Scope, budget: string, { dryRun }: RemoveOptions): Promise<void> {
  const { parts, namespace, name, context } = scope;
  const produce = (current: ApiObject) =>
    withDisruption(current as PodDisruptionBudget, name, parts.clock.now());
  const options = { context, scope: 'raw' as const, dryRun, subresource: 'status' };
  try {
    await parts.engine.modify(BUDGETS, namespace, budget, produce, options);
  } catch (error) {
    if (!isStatus(error, 'Conflict')) throw error;
    throw new StatusError(
      'Timeout',
      `Timeout: couldn't update PodDisruptionBudget ${JSON.stringify(budget)} due to conflicts`,
      { retryAfterSeconds: RETRY_SECONDS },
    );
  }
}

function withDisruption(budget: PodDisruptionBudget, pod: string, nowMs: number): PodDisruptionBudget {
  const { metadata, status } = budget;
  const { disruptionsAllowed = 0, disruptedPods = {}, observedGeneration = 0 } = status ?? {};
  const named = { group: BUDGETS.group, plural: BUDGETS.singular };
  if (isStillProcessed(budget)) throw stillProcessed(metadata.name);
  if (disruptionsAllowed < 0) throw forbidden(named, metadata.name, 'pdb disruptions allowed is negative');
  if (Object.keys(disruptedPods).length > MAX_DISRUPTED_PODS)
    throw forbidden(
      named,
      metadata.name,
      'DisruptedPods map too big - too many evictions not confirmed by PDB controller',
    );
  if (disruptionsAllowed === 0) throw refused(exhaustedText(budget));
  const left = disruptionsAllowed - 1;
  const next = {
    ...status!,
    disruptionsAllowed: left,
    disruptedPods: { ...disruptedPods, [pod]: rfc3339(nowMs) },
  };
  if (left === 0) {
    const condition = {
      type: DISRUPTION_ALLOWED,
      status: 'False',
      reason: 'InsufficientPods',
      message: '',
      observedGeneration,
    };
    next.conditions = withCondition(status?.conditions, condition as Condition, nowMs);
  }
  return { ...budget, status: next };
}

type Condition = NonNullable<NonNullable<PodDisruptionBudget['status']>['conditions']>[number];

function stillProcessed(budget: string): StatusError {
  return refused(stillProcessedText(budget), RETRY_SECONDS);
}

function refused(why: string, retryAfterSeconds?: number): StatusError {
  return new StatusError(
    'TooManyRequests',
    "Cannot evict pod as it would violate the pod's disruption budget.",
    {
      causes: [{ reason: 'DisruptionBudget', message: why }],
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    },
  );
}

/** Says in the pod's status why it goes, and deletes it. */
async function evict(scope: Scope, options: RemoveOptions): Promise<void> {
  const { parts, stored, namespace, name, context } = scope;
  let { resourceVersion } = options;
  if (!options.dryRun) {
    const produce = (current: ApiObject) => asTarget(current as Pod, options, parts.clock.now());
    const raw = { context, scope: 'raw' as const, subresource: 'status' };
    const marked = await parts.engine.modify(stored, namespace, name, produce, raw);
    if (resourceVersion) resourceVersion = marked.object.metadata.resourceVersion;
  }
  await parts.engine.remove(stored, namespace, name, { ...options, resourceVersion });
}

/** The pod with the condition of an evicted one, and the preconditions in its metadata for the engine to check. */
function asTarget(pod: Pod, { uid, resourceVersion }: RemoveOptions, nowMs: number): Pod {
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastProbeTime: null,
  } as unknown as NonNullable<NonNullable<Pod['status']>['conditions']>[number];
  const metadata = { ...pod.metadata, ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
  const conditions = withCondition(pod.status?.conditions, condition, nowMs);
  return { ...pod, metadata, status: { ...pod.status, conditions } };
}
