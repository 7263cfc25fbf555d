import type { PodSpec } from '#api/objects.ts';
import { qosClassOf } from '#api/semantics/qos.ts';
import { podRequests } from '#api/semantics/resources.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { Resources, Runtime } from '#runtime/contract.ts';
import type { Allocatable } from '../registration/reservation.ts';
import { CGROUP_PARENT, MIN_CPU_SHARES, sharesOf } from '../spec/resources.ts';

/**
 * The parents of pods' cgroups. As in Kubernetes guaranteed pods lie in `kubepods` itself, beside one parent for all burstable
 * and one for all best-effort pods: each guaranteed pod competes by its own weight, the burstable ones together by the sum
 * of theirs, and the rest gets what nobody else wants.
 */

export interface QosOptions {
  memoryQos?: boolean;
  /** What the node offers all pods together, where it is enforced. */
  allocatable?: Pick<Allocatable, 'cpuMilli' | 'memoryBytes' | 'pids'>;
}

/** Limits of the parents for these pods. Pure. In the order in which they are written. */
export function qosParents(pods: readonly PodSpec[], options: QosOptions = {}): [string, Resources][] {
  const sum = (name: 'cpu' | 'memory', of: (spec: PodSpec) => boolean) =>
    pods.filter(of).reduce((total, spec) => total + (podRequests(spec)[name] ?? 0), 0);
  const burstable = (spec: PodSpec) => qosClassOf(spec) === 'Burstable';
  const { allocatable, memoryQos } = options;
  const kept = (of: (spec: PodSpec) => boolean) => (memoryQos ? { memoryMinBytes: sum('memory', of) } : {});
  return [
    [
      CGROUP_PARENT.Guaranteed,
      {
        ...(allocatable && {
          cpuShares: sharesOf(allocatable.cpuMilli),
          memoryBytes: allocatable.memoryBytes,
          pids: allocatable.pids,
        }),
        ...kept(() => true),
      },
    ],
    [CGROUP_PARENT.Burstable, { cpuShares: sharesOf(sum('cpu', burstable)), ...kept(burstable) }],
    [CGROUP_PARENT.BestEffort, { cpuShares: MIN_CPU_SHARES }],
  ];
}

export interface QosTreeOptions extends QosOptions {
  runtime: Pick<Runtime, 'updateParent'>;
  clock: Clock;
  log: Logger;
  /** What the pods of the node have been granted. */
  pods(): PodSpec[];
  signal: AbortSignal;
}

const RETRY_MS = 10_000;

/** Keeps the parents right; `touch` when a pod came, went or was resized. What changes meanwhile is written once more. */
export function qosTree(options: QosTreeOptions): { touch(): void } {
  const { runtime, clock, log, pods, signal } = options;
  const written = new Map<string, string>();
  let wanted = false;
  let writing = false;
  const write = async () => {
    for (const [path, resources] of qosParents(pods(), options)) {
      const text = JSON.stringify(resources);
      if (written.get(path) === text) continue;
      await runtime.updateParent(path, resources);
      written.set(path, text);
    }
  };
  const run = async () => {
    while (wanted && !signal.aborted) {
      wanted = false;
      try {
        await write();
      } catch (error) {
        if (signal.aborted) return;
        log.warn('The limits of the QoS classes could not be set', { error: messageOf(error) });
        wanted = true;
        await sleep(clock, RETRY_MS, signal).catch(() => undefined); // only the abort ends it early
      }
    }
    writing = false;
  };
  return {
    touch() {
      wanted = true;
      if (writing) return;
      writing = true;
      // All that happens at once is written once.
      queueMicrotask(() => void run());
    },
  };
}
