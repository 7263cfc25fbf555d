/**
 * Which authorities sign what servers show, once one has been replaced: a ConfigMap that all servers and nodes follow. The key of each is
 * with the servers alone. A rotation goes from `stable` to `trust` (the next one is known to all and signs nothing), to `issue` (it
 * signs, the old one is still known), and back to `stable` when the old one is dropped.
 */
export const AUTHORITIES = { name: 'gantry-authorities', namespace: 'kube-system' } as const;

/** Annotation of a server's Lease: the hash of the authorities it has, and of the key that signed what it shows. */
export const SERVER_AUTHORITIES = 'gantry.dev/authorities';
/** Annotation of the endpoints of the servers: the hash of the authorities that nodes shall trust. */
export const TRUST = 'gantry.dev/authorities';
/** Annotation of a Node: the hash of those that it trusts. */
export const TRUSTED = 'gantry.dev/trusts';

export type RotationPhase = 'stable' | 'trust' | 'issue';

export interface AuthorityState {
  /** PEM, the one that issues first. */
  bundle: string;
  phase: RotationPhase;
}

const BUNDLE = 'server-ca.crt';
const PHASE = 'server-ca.phase';

/** undefined: none has ever been replaced, so that each server's own is the only one. */
export function authorityState(data: Record<string, string> | undefined): AuthorityState | undefined {
  const bundle = data?.[BUNDLE];
  if (bundle === undefined) return undefined;
  const phase = data?.[PHASE];
  return { bundle, phase: phase === 'trust' || phase === 'issue' ? phase : 'stable' };
}

export function authorityData({ bundle, phase }: AuthorityState): Record<string, string> {
  return { [BUNDLE]: bundle, [PHASE]: phase };
}
