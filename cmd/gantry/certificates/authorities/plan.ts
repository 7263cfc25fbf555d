import type { ConfigMap, Lease, Namespace, Node, Secret } from '#api/objects.ts';
import {
  AUTHORITY_NAMES,
  type AuthorityName,
  type AuthorityState,
  CERTIFIED_BY,
  type RotationPhase,
  SERVER_AUTHORITIES,
  TRUSTED,
  VOUCHED_BY,
} from '#api/semantics/authorities.ts';
import { bootstrapTokenEndMs, bootstrapTokenField } from '#api/semantics/bootstrap-tokens.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { bundleHash, bundleOf, certificatesIn } from '#machinery/pki/bundle.ts';
import { isSignedBy, keyHashOf, validityOf } from '#machinery/pki/certificate.ts';
import type { Pki } from '../pki.ts';
import type { Successor } from './adopt.ts';
import type { RotationMode } from './automatic.ts';
import { dueStep } from './due.ts';

/** `cancel`: the new one goes instead, as long as it signs nothing. */
export const ROTATION_STEPS = ['trust', 'issue', 'drop', 'cancel'] as const;
export type RotationStep = (typeof ROTATION_STEPS)[number];

/** The phase that each step leads out of. */
const FROM: Record<RotationStep, RotationPhase> = {
  trust: 'stable',
  issue: 'trust',
  drop: 'issue',
  cancel: 'trust',
};

/** What the authority is after a step at `atMs`. `successor`: the new one. Throws Conflict out of turn. */
export function afterStep(
  state: AuthorityState,
  step: RotationStep,
  atMs: number,
  { made, cross }: Successor = { made: '' },
): AuthorityState {
  if (state.phase !== FROM[step])
    throw new StatusError(
      'Conflict',
      `the authority is in the phase "${state.phase}", which "${step}" does not follow`,
    );
  const [first, second] = certificatesIn(state.bundle);
  const since = { sinceMs: atMs };
  if (step === 'trust')
    return { bundle: bundleOf([first!, made]), phase: 'trust', ...since, ...(cross && { cross }) };
  if (step === 'issue') return { ...state, bundle: bundleOf([second!, first!]), phase: 'issue', ...since };
  return { bundle: bundleOf([first!]), phase: 'stable', ...since };
}

export interface Observed {
  /** Of servers at work. */
  servers: readonly Lease[];
  nodes: readonly Node[];
  /** In which pods trust what `kube-root-ca.crt` says. */
  namespaces: readonly Namespace[];
  rootCas: readonly ConfigMap[];
  /** Tokens by which machines join. */
  tokens: readonly Secret[];
}

/** Who has not followed yet. */
export interface Lagging {
  servers: string[];
  nodes: string[];
  namespaces: string[];
}

export function lagging(name: AuthorityName, { bundle }: AuthorityState, observed: Observed): Lagging {
  const { servers, nodes } = observed;
  const hash = bundleHash(bundle);
  const issuer = keyHashOf(bundle);
  const told = serverText(hash, issuer);
  const wanted = {
    'server-ca': [TRUSTED, hash],
    'client-ca': [CERTIFIED_BY, issuer],
    'node-ca': undefined,
    'service-account': undefined,
  };
  const [annotation, value] = wanted[name] ?? [];
  const tells = ({ metadata }: Lease | Node, key: string) => metadata.annotations?.[key];
  return {
    servers: namesOf(servers.filter((one) => tells(one, SERVER_AUTHORITIES[name]) !== told)),
    nodes: namesOf(annotation ? nodes.filter((one) => tells(one, annotation) !== value) : []),
    namespaces: name === 'server-ca' ? namespacesWithout(hash, observed) : [],
  };
}

function namespacesWithout(hash: string, { namespaces, rootCas }: Observed): string[] {
  const maps = new Map(rootCas.map(({ metadata, data }) => [metadata.namespace, data?.['ca.crt'] ?? '']));
  return namesOf(
    namespaces.filter(
      ({ metadata }) => !metadata.deletionTimestamp && bundleHash(maps.get(metadata.name) ?? '') !== hash,
    ),
  );
}

/** What a server tells: the hash of the authorities it has, and of the key that signed what it shows. */
export function serverText(hash: string, issuerKeyHash: string): string {
  return `${hash} ${issuerKeyHash}`;
}

/** The same of each authority, by annotation, of what a server has. */
export function authoritiesTold({ trusted, ...pki }: Pki): Record<string, string> {
  const clients = [pki.apiserver, pki.controllers, pki.scheduler, pki.admin, pki.node];
  const signed = { 'server-ca': [pki.server], 'client-ca': clients, 'node-ca': [], 'service-account': [] };
  return Object.fromEntries(
    AUTHORITY_NAMES.map((name) => {
      const authorities = certificatesIn(trusted[name]);
      const issuer = authorities.find((one) =>
        signed[name].every(({ certificate }) => isSignedBy(certificate, one)),
      );
      return [
        SERVER_AUTHORITIES[name],
        serverText(bundleHash(trusted[name]), issuer ? keyHashOf(issuer) : ''),
      ];
    }),
  );
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

/** Tokens of pods live for an hour unless the pod says otherwise, and are renewed by then. Source: Kubernetes, projected tokens. */
const TOKEN_MS = 3_600_000;

/** When the old one may be dropped without ending what it signed a moment before the new one; undefined: at once. */
export function droppableMs(name: AuthorityName, { phase, sinceMs }: AuthorityState): number | undefined {
  const isOfTokens = name === 'service-account' && phase === 'issue';
  return isOfTokens && sinceMs !== undefined ? sinceMs + TOKEN_MS : undefined;
}

/** What is told of the rotation of an authority. */
export interface RotationStatus {
  name: AuthorityName;
  phase: RotationPhase;
  /** Since when, RFC 3339. */
  since?: string;
  /** The one that issues first. */
  authorities: { keyHash: string; until: string }[];
  waitsFor: Lagging;
  /** Ids of the tokens of use that the old one vouches for: they end with it. */
  tokens: string[];
  /** What it signed for pods, which get it anew, has ended by then; RFC 3339. */
  droppableAt?: string;
  /** The next step, from when the servers take it by themselves, and from when without those that have not followed. RFC 3339. */
  next: { step: RotationStep; at: string; forcedAt: string };
}

/** What is answered to whoever asks or takes a step. */
export interface RotationAnswer {
  authorities: RotationStatus[];
  /** Whether the servers take the steps by themselves. */
  mode: RotationMode;
}

export function rotationStatus(
  name: AuthorityName,
  state: AuthorityState,
  observed: Observed,
  { now, leafMs }: { now: number; leafMs: number },
): RotationStatus {
  const { bundle, phase, sinceMs } = state;
  const { step, dueMs, forcedMs } = dueStep(state, leafMs);
  const droppable = droppableMs(name, state);
  return {
    name,
    phase,
    ...(sinceMs !== undefined && { since: rfc3339(sinceMs) }),
    authorities: certificatesIn(bundle).map((one) => ({
      keyHash: keyHashOf(one),
      until: rfc3339(validityOf(one).untilMs),
    })),
    waitsFor: lagging(name, state, observed),
    tokens: name === 'server-ca' && phase === 'issue' ? tokensOfOthers(bundle, observed.tokens, now) : [],
    ...(droppable !== undefined && { droppableAt: rfc3339(droppable) }),
    next: { step, at: rfc3339(dueMs), forcedAt: rfc3339(forcedMs) },
  };
}

/** Those that say of none by which authority they are were made before that was noted. */
function tokensOfOthers(bundle: string, tokens: readonly Secret[], now: number): string[] {
  const issuer = keyHashOf(bundle);
  return tokens
    .filter(
      (token) => token.metadata.annotations?.[VOUCHED_BY] !== issuer && bootstrapTokenEndMs(token) > now,
    )
    .map((token) => bootstrapTokenField(token, 'token-id'))
    .sort();
}
