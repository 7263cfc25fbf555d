import type { ConfigMap, Lease, Namespace, Node } from '#api/objects.ts';
import {
  type AuthorityState,
  type RotationPhase,
  SERVER_AUTHORITIES,
  TRUSTED,
} from '#api/semantics/authorities.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { bundleHash, bundleOf, certificatesIn } from '#machinery/pki/bundle.ts';
import { isSignedBy, keyHashOf, validityOf } from '#machinery/pki/certificate.ts';

export const ROTATION_STEPS = ['trust', 'issue', 'drop'] as const;
export type RotationStep = (typeof ROTATION_STEPS)[number];

/** The phase that each step leads out of. */
const FROM: Record<RotationStep, RotationPhase> = { trust: 'stable', issue: 'trust', drop: 'issue' };

/** What the authorities are after a step. `made`: the certificate of the new one. Throws Conflict out of turn. */
export function afterStep(state: AuthorityState, step: RotationStep, made = ''): AuthorityState {
  if (state.phase !== FROM[step])
    throw new StatusError(
      'Conflict',
      `the authority is in the phase "${state.phase}", which "${step}" does not follow`,
    );
  const [first, second] = certificatesIn(state.bundle);
  if (step === 'trust') return { bundle: bundleOf([first!, made]), phase: 'trust' };
  if (step === 'issue') return { bundle: bundleOf([second!, first!]), phase: 'issue' };
  return { bundle: bundleOf([first!]), phase: 'stable' };
}

export interface Observed {
  /** Of servers at work. */
  servers: readonly Lease[];
  nodes: readonly Node[];
  /** In which pods trust what `kube-root-ca.crt` says. */
  namespaces: readonly Namespace[];
  rootCas: readonly ConfigMap[];
}

/** Who has not followed yet. */
export interface Lagging {
  servers: string[];
  nodes: string[];
  namespaces: string[];
}

export function lagging(
  { bundle }: AuthorityState,
  { servers, nodes, namespaces, rootCas }: Observed,
): Lagging {
  const hash = bundleHash(bundle);
  const told = serverText(hash, keyHashOf(bundle));
  const maps = new Map(rootCas.map(({ metadata, data }) => [metadata.namespace, data?.['ca.crt'] ?? '']));
  return {
    servers: namesOf(servers.filter(({ metadata }) => metadata.annotations?.[SERVER_AUTHORITIES] !== told)),
    nodes: namesOf(nodes.filter(({ metadata }) => metadata.annotations?.[TRUSTED] !== hash)),
    namespaces: namesOf(
      namespaces.filter(
        ({ metadata }) => !metadata.deletionTimestamp && bundleHash(maps.get(metadata.name) ?? '') !== hash,
      ),
    ),
  };
}

/** What a server tells: the hash of the authorities it has, and of the key that signed what it shows. */
export function serverText(hash: string, issuerKeyHash: string): string {
  return `${hash} ${issuerKeyHash}`;
}

/** The same, of what a server has and shows. */
export function authoritiesText({
  serverCa,
  server,
}: {
  serverCa: string;
  server: { certificate: string };
}): string {
  const issuer = certificatesIn(serverCa).find((one) => isSignedBy(server.certificate, one));
  return serverText(bundleHash(serverCa), issuer === undefined ? '' : keyHashOf(issuer));
}

function namesOf(objects: readonly { metadata: { name: string } }[]): string[] {
  return objects.map(({ metadata }) => metadata.name).sort();
}

/** undefined: nobody lags. */
export function laggingText({ servers, nodes, namespaces }: Lagging): string | undefined {
  const parts = [
    ['servers', servers] as const,
    ['nodes', nodes] as const,
    ['kube-root-ca.crt in namespaces', namespaces] as const,
  ].filter(([, names]) => names.length > 0);
  return parts.length > 0 ? parts.map(([what, names]) => `${what} ${listed(names)}`).join('; ') : undefined;
}

const TOLD = 5;

function listed(names: readonly string[]): string {
  const more = names.length > TOLD ? ` and ${names.length - TOLD} more` : '';
  return names.slice(0, TOLD).join(', ') + more;
}

/** What is told of a rotation. */
export interface RotationStatus {
  phase: RotationPhase;
  /** The one that issues first. */
  authorities: { keyHash: string; until: string }[];
  waitsFor: Lagging;
}

export function rotationStatus(state: AuthorityState, observed: Observed): RotationStatus {
  return {
    phase: state.phase,
    authorities: certificatesIn(state.bundle).map((one) => ({
      keyHash: keyHashOf(one),
      until: rfc3339(validityOf(one).untilMs),
    })),
    waitsFor: lagging(state, observed),
  };
}
