import type { Pod } from '#api/objects.ts';
import { qosClassOf } from '#api/semantics/qos.ts';
import { amountsOf } from '#api/semantics/resources.ts';
import { tolerates } from '#api/semantics/taints.ts';
import { quantityOf } from '#machinery/values/quantity.ts';
import type { Rejection } from '../spec/rejection.ts';
import type { Pressure, Shortage, Starved } from './plan.ts';
import { unitsOf } from './thresholds.ts';

/** From here on a pod is one of those that keep the cluster going. Source: Kubernetes, SystemCriticalPriority. */
const CRITICAL_PRIORITY = 2_000_000_000;

export function isCritical({ spec }: Pod): boolean {
  return (spec?.priority ?? 0) >= CRITICAL_PRIORITY;
}

/** Why a pod is evicted, word by word as the kubelet says it; `usage` by container, where it is counted by containers. */
export function evictionMessage(
  { starved, threshold, reading }: Shortage,
  { spec }: Pod,
  usage: ReadonlyMap<string, number>,
): string {
  const quantity = amountText(starved, unitsOf(threshold, reading.capacity));
  const available = amountText(starved, reading.available);
  const low = `The node was low on resource: ${starved}. Threshold quantity: ${quantity}, available: ${available}. `;
  const large = (spec?.containers ?? []).map(({ name, resources }) => {
    const used = usage.get(name) ?? 0;
    if (used <= (amountsOf(resources?.requests)[starved] ?? 0)) return '';
    const request = resources?.requests?.[starved] ?? '0';
    return `Container ${name} was using ${amountText(starved, used)}, request is ${request}, has larger consumption of ${starved}. `;
  });
  return [low, ...large].join('');
}

function amountText(starved: Starved, units: number): string {
  return quantityOf(
    Math.round(units),
    starved === 'memory' || starved === 'ephemeral-storage' ? 'BinarySI' : 'DecimalSI',
  );
}

const MEMORY_TAINT = { key: 'node.kubernetes.io/memory-pressure', effect: 'NoSchedule' };

/**
 * Why a node that is short of something does not take a new pod: memory alone keeps only those away that ask for none. Source: kubelet,
 * admission by the eviction manager.
 */
export function refusalUnder(pressure: ReadonlySet<Pressure>, pod: Pod): Rejection | undefined {
  if (pressure.size === 0 || isCritical(pod)) return undefined;
  if (pressure.size === 1 && pressure.has('MemoryPressure')) {
    if (qosClassOf(pod.spec!) !== 'BestEffort') return undefined;
    if (pod.spec?.tolerations?.some((one) => tolerates(one, MEMORY_TAINT))) return undefined;
  }
  return { reason: 'Evicted', message: `The node had condition: [${[...pressure].join(', ')}]. ` };
}
