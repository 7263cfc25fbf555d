/**
 * Whether a node takes part: `active`; `pause`: it gets no new pods; `drain`: it gets none, and those it has go elsewhere, as far as
 * disruption budgets let them. A label of the Node, which its agent keeps. Source: Docker's `docker node update --availability`.
 */
import type { Node, Pod } from '../objects.ts';
import { controllerOf } from './owners.ts';
import { isPodTerminal } from './pod-status.ts';

export const AVAILABILITIES = ['active', 'pause', 'drain'] as const;
export type Availability = (typeof AVAILABILITIES)[number];

/** The label. One that is not there, or says something else, is `active`. */
const AVAILABILITY = 'gantry.dev/availability';
/** How it is drained: DrainOptions as JSON. */
const DRAIN = 'gantry.dev/drain';
/** The annotation of a node that was cordoned because of its availability: another cordon is somebody's own, and stays. */
export const CORDONED = 'gantry.dev/cordoned-for';
/** The condition of a node in `drain`: True once no pod is left that has to go. */
export const DRAINED = 'Drained';

export interface DrainOptions {
  /** Pods that nobody makes anew elsewhere go too. */
  force?: boolean;
  /** In place of the pods' own. */
  gracePeriodSeconds?: number;
}

export function availabilityOf({ metadata }: Node): Availability {
  const said = metadata.labels?.[AVAILABILITY];
  return said === 'pause' || said === 'drain' ? said : 'active';
}

/** Those of a node in `drain`. What cannot be read is left out. */
export function drainOptionsOf({ metadata }: Node): DrainOptions {
  try {
    const { force, gracePeriodSeconds } = JSON.parse(metadata.annotations?.[DRAIN] ?? '{}');
    const seconds = Number.isInteger(gracePeriodSeconds) && gracePeriodSeconds >= 0;
    return { ...(force === true && { force }), ...(seconds && { gracePeriodSeconds }) };
  } catch {
    return {};
  }
}

/** The merge patch by which a Node gets that availability. */
export function availabilityPatch(availability: Availability, options: DrainOptions = {}): object {
  const drain = availability === 'drain' && Object.keys(options).length > 0 ? JSON.stringify(options) : null;
  return {
    metadata: {
      labels: { [AVAILABILITY]: availability === 'active' ? null : availability },
      annotations: { [DRAIN]: drain },
    },
  };
}

const MIRROR = 'kubernetes.io/config.mirror';

/** What a drain does with a pod: it stays (a DaemonSet's, or the node's own), goes, or is left since nobody would make it anew. */
export function drainOf(pod: Pod, { force }: DrainOptions): 'stays' | 'goes' | 'unmanaged' {
  if (pod.metadata.annotations?.[MIRROR] !== undefined) return 'stays';
  const owner = controllerOf(pod);
  if (owner?.kind === 'DaemonSet') return 'stays';
  if (owner || force || isPodTerminal(pod) || pod.metadata.deletionTimestamp) return 'goes';
  return 'unmanaged';
}
