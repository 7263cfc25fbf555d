/** Which pods a node's taints keep away. Source: Kubernetes documentation, "Taints and Tolerations". */
import type { Taint, Toleration } from '../objects.ts';

export type TaintEffect = 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';

/** Whether `toleration` lets a pod live with `taint`. An empty key with Exists tolerates all; an empty effect any effect. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator || 'Equal') {
    case 'Exists':
      return true;
    case 'Equal':
      return Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '');
    case 'Lt':
      return compareAsIntegers(taint.value, toleration.value, (mine, bound) => mine < bound);
    case 'Gt':
      return compareAsIntegers(taint.value, toleration.value, (mine, bound) => mine > bound);
    default:
      return false;
  }
}

function compareAsIntegers(
  taint: string | undefined,
  toleration: string | undefined,
  holds: (taint: bigint, toleration: bigint) => boolean,
): boolean {
  const integer = /^-?[0-9]{1,19}$/;
  if (!integer.test(taint ?? '') || !integer.test(toleration ?? '')) return false;
  return holds(BigInt(taint!), BigInt(toleration!));
}

/** The first taint with one of `effects` that no toleration covers; undefined when all are tolerated. */
export function untoleratedTaint(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  effects: readonly TaintEffect[],
): Taint | undefined {
  return taints?.find(
    (taint) =>
      effects.includes(taint.effect as TaintEffect) &&
      !(tolerations ?? []).some((toleration) => tolerates(toleration, taint)),
  );
}
