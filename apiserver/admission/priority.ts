import { PriorityClassKind } from '#api/kinds/priority-class.ts';
import type { Pod, PriorityClass } from '#api/objects.ts';
import type { AdmissionPlugin, AdmissionRequest, ObjectReader } from '../contract.ts';
import { refusal } from './refuse.ts';
import { newPod } from './service-account.ts';

/** The classes every cluster has, above all that users may define. */
export const SYSTEM_PRIORITY_CLASSES: readonly PriorityClass[] = [
  systemClass(
    'system-cluster-critical',
    2_000_000_000,
    'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  ),
  systemClass(
    'system-node-critical',
    2_000_001_000,
    'Used for system critical pods that must not be moved from their current node.',
  ),
];

function systemClass(name: string, value: number, description: string): PriorityClass {
  return {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name },
    value,
    description,
    preemptionPolicy: 'PreemptLowerPriority',
  };
}

/** Pods carry the number their class stands for. Source: Kubernetes Priority admission. */
export const priority: AdmissionPlugin = {
  name: 'Priority',
  mutate(request, objects) {
    const pod = newPod(request);
    if (pod?.spec) resolvePriority(request, pod, objects);
  },
  validate(request, objects) {
    const { kind, operation, object } = request;
    if (kind.plural !== 'priorityclasses' || operation === 'DELETE') return;
    if (!(object as PriorityClass | undefined)?.globalDefault) return;
    const other = globalDefault(objects);
    if (other && other.metadata.name !== request.name) {
      throw refusal(
        request,
        `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`,
      );
    }
  },
};

function resolvePriority(request: AdmissionRequest, pod: Pod, objects: ObjectReader): void {
  const spec = pod.spec!;
  let chosen: PriorityClass | undefined;
  if (spec.priorityClassName) {
    chosen = classNamed(spec.priorityClassName, objects);
    if (!chosen) throw refusal(request, `no PriorityClass with name ${spec.priorityClassName} was found`);
  } else {
    chosen = globalDefault(objects);
    if (chosen) spec.priorityClassName = chosen.metadata.name;
  }
  const computed = chosen?.value ?? 0;
  if (spec.priority !== undefined && spec.priority !== computed) {
    throw refusal(
      request,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${computed} from the given PriorityClass name`,
    );
  }
  const policy = chosen?.preemptionPolicy ?? 'PreemptLowerPriority';
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
    throw refusal(
      request,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`,
    );
  }
  spec.priority = computed;
  spec.preemptionPolicy = policy;
}

function classNamed(name: string, objects: ObjectReader): PriorityClass | undefined {
  return (
    objects.get(PriorityClassKind, name) ??
    SYSTEM_PRIORITY_CLASSES.find((each) => each.metadata.name === name)
  );
}

/** Of several, the lowest counts, as in Kubernetes. */
function globalDefault(objects: ObjectReader): PriorityClass | undefined {
  return objects
    .list(PriorityClassKind)
    .filter((each) => each.globalDefault)
    .reduce<PriorityClass | undefined>(
      (low, each) => (low && (low.value ?? 0) <= (each.value ?? 0) ? low : each),
      undefined,
    );
}
