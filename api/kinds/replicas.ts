import { formatSelector, selectorOf } from '#machinery/values/selector.ts';
import type { ScaleAccess } from '../kind.ts';
import type { LabelSelector } from '../objects.ts';

/** What keeps a number of pods that a selector picks. */
interface Replicated {
  spec?: { replicas?: number; selector?: LabelSelector };
  status?: { replicas?: number };
}

/** The scale of what has `spec.replicas`. */
export function scaleByReplicas<T extends Replicated>(): ScaleAccess<T> {
  return {
    replicas: ({ spec }) => spec?.replicas ?? 0,
    setReplicas({ spec }, replicas) {
      spec!.replicas = replicas;
    },
    statusReplicas: ({ status }) => status?.replicas ?? 0,
    selector: ({ spec }) => formatSelector(selectorOf(spec?.selector) ?? []),
  };
}
