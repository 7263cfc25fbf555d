import { rfc3339 } from '#machinery/clock.ts';

/**
 * Which authorities sign what, once one has been replaced: a ConfigMap that all servers and nodes follow. The key of each is
 * with the servers alone. A rotation goes from `stable` to `trust` (the next one is known to all and signs nothing), to `issue` (it
 * signs, the old one is still known), and back to `stable` when the old one is dropped.
 */
export const AUTHORITIES = { name: 'gantry-authorities', namespace: 'kube-system' } as const;

/**
 * They sign what servers show; what clients, nodes and servers among them, sign in with; what nodes serve by; tokens of service accounts,
 * whose key is kept with a certificate that says how long it is in use.
 */
export const AUTHORITY_NAMES = ['server-ca', 'client-ca', 'node-ca', 'service-account'] as const;
export type AuthorityName = (typeof AUTHORITY_NAMES)[number];

/** Annotations of a server's Lease: the hash of the authorities it has, and of the key that signed what it has of them. */
export const SERVER_AUTHORITIES: Record<AuthorityName, string> = {
  'server-ca': 'gantry.dev/authorities',
  'client-ca': 'gantry.dev/client-authorities',
  'node-ca': 'gantry.dev/serving-authorities',
  'service-account': 'gantry.dev/token-keys',
};
/** Annotation of the endpoints of the servers: the hash of the authorities that nodes shall trust. */
export const TRUST = 'gantry.dev/authorities';
/** Annotation of a Node: the hash of those that it trusts. */
export const TRUSTED = 'gantry.dev/trusts';
/**
 * Annotation of the endpoints of the servers: the hash of the key of the authority that nodes shall be certified by. Annotation of a Node:
 * of the one that it is.
 */
export const CERTIFIED_BY = 'gantry.dev/certified-by';
/** Annotation of a bootstrap token: the hash of the key of the authority by which who holds it knows the server. */
export const VOUCHED_BY = 'gantry.dev/vouched-by';

export type RotationPhase = 'stable' | 'trust' | 'issue';

export interface AuthorityState {
  /** PEM, the one that issues first. */
  bundle: string;
  phase: RotationPhase;
  /** When it came into this phase, in ms of the epoch; undefined where nobody has noted it. */
  sinceMs?: number;
  /** PEM: the new one as certified by the old one, for those who know that alone. */
  cross?: string;
}

const fieldsOf = (name: AuthorityName) =>
  ({
    bundle: `${name}.crt`,
    phase: `${name}.phase`,
    since: `${name}.since`,
    cross: `${name}.cross.crt`,
  }) as const;

/** undefined: that one has never been replaced, so that each server's own is the only one. */
export function authorityState(
  data: Record<string, string> | undefined,
  name: AuthorityName,
): AuthorityState | undefined {
  const fields = fieldsOf(name);
  const bundle = data?.[fields.bundle];
  if (bundle === undefined) return undefined;
  const [phase, cross] = [data![fields.phase], data![fields.cross]];
  const sinceMs = Date.parse(data![fields.since] ?? '');
  return {
    bundle,
    phase: phase === 'trust' || phase === 'issue' ? phase : 'stable',
    ...(!Number.isNaN(sinceMs) && { sinceMs }),
    ...(cross && { cross }),
  };
}

/** The data with that state of that authority; what it says of others stays. */
export function withAuthority(
  data: Record<string, string> | undefined,
  name: AuthorityName,
  { bundle, phase, sinceMs, cross }: AuthorityState,
): Record<string, string> {
  const fields = fieldsOf(name);
  const { [fields.since]: _, [fields.cross]: __, ...rest } = data ?? {};
  return {
    ...rest,
    [fields.bundle]: bundle,
    [fields.phase]: phase,
    ...(sinceMs !== undefined && { [fields.since]: rfc3339(sinceMs) }),
    ...(cross && { [fields.cross]: cross }),
  };
}
