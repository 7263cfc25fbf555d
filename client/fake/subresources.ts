import { type Kind, resourceName } from '#api/kind.ts';
import { PodDisruptionBudgetKind } from '#api/kinds/pod-disruption-budget.ts';
import type { ApiObject, Binding, CertificateSigningRequest, Namespace, Pod } from '#api/objects.ts';
import { budgetsFor, isBeyondBudgets } from '#api/semantics/disruption-budgets.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { ObjectRef } from '../contract.ts';
import type { FakeCluster } from './fake-cluster.ts';

type Handler = (cluster: FakeCluster, kind: Kind<never>, ref: ObjectRef, body: object) => object;

const HANDLERS: Record<string, Handler> = {
  'pods/binding': bind,
  'pods/eviction': evict,
  'namespaces/finalize': finalize,
  'certificatesigningrequests.certificates.k8s.io/approval': approve,
};

/** What the fake does for a POST to a subresource. */
export function subresourceOf(kind: Kind<never>, subresource: string): Handler {
  const name = `${resourceName(kind)}/${subresource}`;
  const handler = HANDLERS[name];
  if (!handler) throw new StatusError('NotFound', `the fake has no subresource ${name}`);
  return handler;
}

function bind(cluster: FakeCluster, kind: Kind<never>, ref: ObjectRef, body: object): object {
  const pod = cluster.require(kind as Kind<ApiObject>, ref) as Pod;
  const target = (body as Binding).target;
  if (pod.spec?.nodeName)
    throw new StatusError('Conflict', `pod ${ref.name} is already assigned to node "${pod.spec.nodeName}"`);
  if (pod.metadata.deletionTimestamp)
    throw new StatusError('Conflict', `pod ${ref.name} is being deleted, cannot be assigned to a host`);
  cluster.change(kind as Kind<ApiObject> as Kind<Pod>, ref, (changed) => {
    changed.spec!.nodeName = target?.name;
    const others = (changed.status?.conditions ?? []).filter((one) => one.type !== 'PodScheduled');
    changed.status = {
      ...changed.status,
      conditions: [
        ...others,
        { type: 'PodScheduled', status: 'True', lastTransitionTime: rfc3339(cluster.clock.now()) },
      ],
    };
  });
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
}

/** A delete that the one budget of the pod has to allow, and that costs it. */
function evict(cluster: FakeCluster, kind: Kind<never>, ref: ObjectRef, body: object): object {
  const pod = cluster.require(kind as Kind<ApiObject>, ref) as Pod;
  const [budget] = budgetsFor(pod, cluster.all(PodDisruptionBudgetKind, ref.namespace));
  if (budget && !isBeyondBudgets(pod)) {
    const allowed = budget.status?.disruptionsAllowed ?? 0;
    if (allowed === 0)
      throw new StatusError(
        'TooManyRequests',
        "Cannot evict pod as it would violate the pod's disruption budget.",
      );
    cluster.change(PodDisruptionBudgetKind, budget.metadata, (changed) => {
      changed.status!.disruptionsAllowed = allowed - 1;
    });
  }
  const { deleteOptions } = body as { deleteOptions?: { gracePeriodSeconds?: number } };
  cluster.delete(kind as Kind<ApiObject>, ref, {
    ...(deleteOptions?.gracePeriodSeconds !== undefined && {
      graceSeconds: deleteOptions.gracePeriodSeconds,
    }),
  });
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
}

function finalize(cluster: FakeCluster, kind: Kind<never>, ref: ObjectRef, body: object): object {
  const namespaces = kind as Kind<ApiObject> as Kind<Namespace>;
  const old = structuredClone(cluster.require(namespaces, ref));
  old.spec = { ...old.spec, finalizers: (body as Namespace).spec?.finalizers };
  if (old.metadata.deletionTimestamp && !old.spec.finalizers?.length && !old.metadata.finalizers?.length)
    return cluster.remove(namespaces, old);
  return cluster.store(namespaces, old, 'modified');
}

/** Writes what approvers write: conditions, and nothing else. */
function approve(cluster: FakeCluster, kind: Kind<never>, ref: ObjectRef, body: object): object {
  const requests = kind as Kind<ApiObject> as Kind<CertificateSigningRequest>;
  const { metadata, status } = body as CertificateSigningRequest;
  const old = cluster.require(requests, ref);
  const approved = { ...old, metadata, status: { ...old.status, conditions: status?.conditions } };
  return cluster.update(requests, approved, 'status');
}
