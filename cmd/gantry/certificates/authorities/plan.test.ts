import { beforeAll, expect, test } from 'vitest';
import type { ConfigMap, Lease, Namespace, Node } from '#api/objects.ts';
import { AUTHORITY_NAMES, authorityState, withAuthority } from '#api/semantics/authorities.ts';
import { bootstrapTokenSecret } from '#api/semantics/bootstrap-tokens.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { bundleHash, bundleOf } from '#machinery/pki/bundle.ts';
import { keyHashOf } from '#machinery/pki/certificate.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { seededRandom } from '#machinery/random.ts';
import type { Pki } from '../pki.ts';
import {
  afterStep,
  authoritiesTold,
  lagging,
  laggingText,
  type RotationStep,
  rotationStatus,
} from './plan.ts';

const clock = new VirtualClock();
const random = seededRandom(1);
const make = (name: string) => makeAuthority(name, 1e10, clock, random);
let old: Awaited<ReturnType<typeof make>>;
let made: typeof old;
beforeAll(async () => {
  [old, made] = await Promise.all([make('old'), make('made')]);
});
const stable = () => ({ bundle: old.certificate, phase: 'stable' as const });

const trusting = () => afterStep(stable(), 'trust', 1_000, { made: made.certificate, cross: 'CROSS' });

test('a new authority is trusted, then issues, and then the old one goes: in that order only', () => {
  const trust = trusting();
  expect(trust).toEqual({
    ...{ bundle: bundleOf([old.certificate, made.certificate]), phase: 'trust' },
    ...{ sinceMs: 1_000, cross: 'CROSS' },
  });
  const issue = afterStep(trust, 'issue', 2_000);
  expect(issue).toEqual({
    ...{ bundle: bundleOf([made.certificate, old.certificate]), phase: 'issue' },
    ...{ sinceMs: 2_000, cross: 'CROSS' },
  });
  expect(afterStep(issue, 'drop', 3_000)).toEqual({
    ...{ bundle: bundleOf([made.certificate]), phase: 'stable', sinceMs: 3_000 },
  });
  expect(afterStep(trust, 'cancel', 2_000)).toEqual({
    ...{ bundle: bundleOf([old.certificate]), phase: 'stable', sinceMs: 2_000 },
  });
  const wrong: [typeof issue | ReturnType<typeof stable>, RotationStep][] = [
    [stable(), 'issue'],
    [stable(), 'drop'],
    [trust, 'trust'],
    [trust, 'drop'],
    [issue, 'trust'],
    [issue, 'issue'],
    [issue, 'cancel'],
    [stable(), 'cancel'],
  ];
  for (const [state, step] of wrong) expect(() => afterStep(state, step, 0)).toThrow('does not follow');
});

test('each is written beside the others, and read as it was', () => {
  const issue = afterStep(trusting(), 'issue', 2_000);
  const data = withAuthority(withAuthority(undefined, 'client-ca', trusting()), 'server-ca', issue);
  expect(authorityState(data, 'client-ca')).toEqual(trusting());
  expect(authorityState(data, 'server-ca')).toEqual(issue);
  expect(authorityState(data, 'node-ca')).toBeUndefined();
  const dropped = afterStep(issue, 'drop', 3_000);
  const after = withAuthority(data, 'server-ca', dropped);
  expect(authorityState(after, 'server-ca')).toEqual(dropped);
  expect(authorityState(after, 'client-ca')).toEqual(trusting());
});

const lease = (name: string, annotations: Record<string, string> = {}): Lease => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name, annotations },
});
const node = (name: string, annotations: Record<string, string> = {}): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, annotations },
});
const namespace = (name: string, deletionTimestamp?: string): Namespace => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, ...(deletionTimestamp && { deletionTimestamp }) },
});
const map = (of: string, ca: string): ConfigMap => ({
  ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kube-root-ca.crt', namespace: of } },
  data: { 'ca.crt': ca },
});
const NOBODY = { servers: [], nodes: [], namespaces: [], rootCas: [], tokens: [] };
const sign = (by: typeof old) =>
  issueCertificate(by, { subject: { commonName: 's' }, usages: ['server'], lifetimeMs: 1e9 }, clock, random);
/** What a server tells that has these authorities, and leaves that they signed. */
async function told(bundle: string, by: typeof old, admin = by): Promise<Record<string, string>> {
  const [leaf, other] = [await sign(by), await sign(admin)];
  const trusted = Object.fromEntries(AUTHORITY_NAMES.map((name) => [name, bundle]));
  const leaves = { apiserver: leaf, controllers: leaf, scheduler: leaf, node: leaf, admin: other };
  return authoritiesTold({ trusted, server: leaf, ...leaves } as unknown as Pki);
}

test('who has not followed is named: servers, nodes, and namespaces whose pods trust something else', async () => {
  const state = afterStep(trusting(), 'issue', 0);
  const hash = bundleHash(state.bundle);
  const found = {
    servers: [
      lease('good', await told(state.bundle, made)),
      lease('shows-old', await told(state.bundle, old)),
      lease('knows-old', await told(old.certificate, old)),
      lease('of-before'),
    ],
    nodes: [node('n1', { 'gantry.dev/trusts': hash }), node('n2', { 'gantry.dev/trusts': 'x' }), node('n3')],
    namespaces: [namespace('a'), namespace('b'), namespace('c'), namespace('d', '2026-01-01T00:00:00Z')],
    // Written otherwise, and the same.
    rootCas: [map('a', state.bundle.replaceAll('\n-----BEGIN', '\n\n-----BEGIN')), map('b', old.certificate)],
    tokens: [],
  };
  const behind = lagging('server-ca', state, found);
  expect(behind).toEqual({
    servers: ['knows-old', 'of-before', 'shows-old'],
    nodes: ['n2', 'n3'],
    namespaces: ['b', 'c'],
  });
  expect(laggingText(behind)).toBe(
    'servers knows-old, of-before, shows-old; nodes n2, n3; kube-root-ca.crt in namespaces b, c',
  );
  expect(laggingText({ servers: [], nodes: [], namespaces: [] })).toBeUndefined();
  expect(laggingText({ ...behind, nodes: ['1', '2', '3', '4', '5', '6', '7'] })).toContain('5 and 2 more');
  expect(rotationStatus('server-ca', state, found, { now: 0, leafMs: 1 })).toMatchObject({
    ...{ name: 'server-ca', phase: 'issue', since: '1970-01-01T00:00:00Z' },
    authorities: [{ keyHash: keyHashOf(made.certificate) }, { keyHash: keyHashOf(old.certificate) }],
  });
});

test('of clients: nodes and servers that live by a certificate of the old one are named, and no namespace', async () => {
  const state = afterStep(trusting(), 'issue', 0);
  const by = (one: typeof old) => ({ 'gantry.dev/certified-by': keyHashOf(one.certificate) });
  const found = {
    ...NOBODY,
    servers: [
      lease('good', await told(state.bundle, made)),
      lease('one-of-old', await told(state.bundle, made, old)),
    ],
    nodes: [node('n1', by(made)), node('n2', by(old)), node('n3')],
    namespaces: [namespace('a')],
  };
  const nobody = { servers: [], nodes: [], namespaces: [] };
  expect(lagging('client-ca', state, found)).toEqual({
    ...nobody,
    servers: ['one-of-old'],
    nodes: ['n2', 'n3'],
  });
  // While it is only trusted, nobody has to be certified anew.
  const trust = { ...found, servers: [lease('good', await told(trusting().bundle, old))] };
  expect(lagging('client-ca', trusting(), trust)).toEqual({ ...nobody, nodes: ['n1', 'n3'] });
  // Of what nodes serve the servers alone know.
  expect(lagging('node-ca', state, found)).toEqual(nobody);
  expect(lagging('node-ca', state, trust)).toEqual({ ...nobody, servers: ['good'] });
});

test('tokens that the old one vouches for are counted, unless they have ended before', () => {
  const state = afterStep(trusting(), 'issue', 0);
  const token = (id: string, vouchedBy?: string, expiresMs?: number) =>
    bootstrapTokenSecret({
      ...{ id, secret: 's', groups: [] },
      ...(vouchedBy && { vouchedBy }),
      ...(expiresMs && { expiresMs }),
    });
  const [oldHash, madeHash] = [old, made].map(({ certificate }) => keyHashOf(certificate));
  const tokens = [
    ...[token('b', oldHash), token('a', oldHash, 9_000), token('over', oldHash, 5_000)],
    ...[token('new', madeHash), token('c')],
  ];
  const status = (name: 'server-ca' | 'client-ca', of = state) =>
    rotationStatus(name, of, { ...NOBODY, tokens }, { now: 6_000, leafMs: 1 }).tokens;
  expect(status('server-ca')).toEqual(['a', 'b', 'c']);
  expect(status('client-ca')).toEqual([]);
  expect(status('server-ca', trusting())).toEqual([]);
});
