import { RuntimeClassKind } from '#api/kinds/runtime-class.ts';
import type { Pod, RuntimeClass, Toleration } from '#api/objects.ts';
import { sameData } from '#api/validation/faults.ts';
import type { AdmissionPlugin, AdmissionRequest, ObjectReader } from '../contract.ts';
import { refusal } from './refuse.ts';
import { newPod } from './service-account.ts';

/** Pods carry the cost of the way they are run, and go where it can be had. Source: Kubernetes RuntimeClass admission. */
export const runtimeClass: AdmissionPlugin = {
  name: 'RuntimeClass',
  async mutate(request, objects) {
    const pod = newPod(request);
    if (!pod?.spec) return;
    const found = await classOf(request, pod, objects);
    if (found?.overhead) {
      if (pod.spec.overhead && !sameData(pod.spec.overhead, found.overhead.podFixed)) throw mismatch(request);
      if (found.overhead.podFixed) pod.spec.overhead = { ...found.overhead.podFixed };
    }
    if (found?.scheduling) schedule(request, pod, found.scheduling);
  },
  async validate(request, objects) {
    const pod = newPod(request);
    if (!pod?.spec) return;
    const found = await classOf(request, pod, objects);
    if (found?.overhead) {
      if (!sameData(pod.spec.overhead, found.overhead.podFixed)) throw mismatch(request);
    } else if (pod.spec.overhead) {
      const why = 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead';
      throw refusal(request, why);
    }
  },
};

async function classOf(
  request: AdmissionRequest,
  pod: Pod,
  objects: ObjectReader,
): Promise<RuntimeClass | undefined> {
  const name = pod.spec?.runtimeClassName;
  if (!name) return undefined;
  let found = objects.get(RuntimeClassKind, name);
  if (!found) {
    // It may have been made a moment ago, by another server.
    await objects.fresh();
    found = objects.get(RuntimeClassKind, name);
  }
  if (found) return found;
  throw refusal(request, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
}

function mismatch(request: AdmissionRequest) {
  const why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
  return refusal(request, why);
}

function schedule(
  request: AdmissionRequest,
  pod: Pod,
  { nodeSelector, tolerations }: NonNullable<RuntimeClass['scheduling']>,
): void {
  const spec = pod.spec!;
  for (const key in nodeSelector) {
    const value = nodeSelector[key]!;
    const own = spec.nodeSelector?.[key];
    if (own !== undefined && own !== value) {
      const why = `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`;
      throw refusal(request, why);
    }
  }
  if (nodeSelector) spec.nodeSelector = { ...spec.nodeSelector, ...nodeSelector };
  if (tolerations) spec.tolerations = mergeTolerations([...(spec.tolerations ?? []), ...tolerations]);
}

/** Without those that another one covers; of equal ones the first stays. */
function mergeTolerations(all: readonly Toleration[]): Toleration[] {
  const merged: Toleration[] = [];
  for (const [index, toleration] of all.entries()) {
    if (merged.some((other) => covers(other, toleration))) continue;
    const later = all.slice(index + 1).filter((other) => !sameData(other, toleration));
    if (!later.some((other) => covers(other, toleration))) merged.push(toleration);
  }
  return merged;
}

/** Whether `wide` tolerates all that `narrow` does. */
function covers(wide: Toleration, narrow: Toleration): boolean {
  if (sameData(wide, narrow)) return true;
  const isExists = wide.operator === 'Exists';
  if (wide.key !== narrow.key && (wide.key || !isExists)) return false;
  if (wide.effect && wide.effect !== narrow.effect) return false;
  const most = wide.effect === 'NoExecute' ? wide.tolerationSeconds : undefined;
  if (most !== undefined && (narrow.tolerationSeconds ?? Number.POSITIVE_INFINITY) > most) return false;
  if (isExists) return true;
  return (narrow.operator || 'Equal') === 'Equal' && (narrow.value ?? '') === (wide.value ?? '');
}
