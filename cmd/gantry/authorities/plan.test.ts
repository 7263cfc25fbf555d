import { beforeAll, expect, test } from 'vitest';
import type { ConfigMap, Lease, Namespace, Node } from '#api/objects.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { bundleHash, bundleOf } from '#machinery/pki/bundle.ts';
import { keyHashOf } from '#machinery/pki/certificate.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { seededRandom } from '#machinery/random.ts';
import {
  afterStep,
  authoritiesText,
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

test('a new authority is trusted, then issues, and then the old one goes: in that order only', () => {
  const trust = afterStep(stable(), 'trust', made.certificate);
  expect(trust).toEqual({ bundle: bundleOf([old.certificate, made.certificate]), phase: 'trust' });
  const issue = afterStep(trust, 'issue');
  expect(issue).toEqual({ bundle: bundleOf([made.certificate, old.certificate]), phase: 'issue' });
  expect(afterStep(issue, 'drop')).toEqual({ bundle: bundleOf([made.certificate]), phase: 'stable' });
  const wrong: [typeof issue | ReturnType<typeof stable>, RotationStep][] = [
    [stable(), 'issue'],
    [stable(), 'drop'],
    [trust, 'trust'],
    [trust, 'drop'],
    [issue, 'trust'],
    [issue, 'issue'],
  ];
  for (const [state, step] of wrong) expect(() => afterStep(state, step)).toThrow('does not follow');
});

test('who has not followed is named: servers, nodes, and namespaces whose pods trust something else', async () => {
  const state = afterStep(afterStep(stable(), 'trust', made.certificate), 'issue');
  const hash = bundleHash(state.bundle);
  const order = { subject: { commonName: 's' }, usages: ['server' as const], lifetimeMs: 1e9 };
  const shown = async (by: typeof old, serverCa: string) =>
    authoritiesText({ serverCa, server: await issueCertificate(by, order, clock, random) });
  const lease = (name: string, said?: string): Lease => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, annotations: said === undefined ? {} : { 'gantry.dev/authorities': said } },
  });
  const node = (name: string, trusts?: string): Node => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, ...(trusts && { annotations: { 'gantry.dev/trusts': trusts } }) },
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
  const found = {
    servers: [
      lease('good', await shown(made, state.bundle)),
      lease('shows-old', await shown(old, state.bundle)),
      lease('knows-old', await shown(old, old.certificate)),
      lease('of-before'),
    ],
    nodes: [node('n1', hash), node('n2', 'x'), node('n3')],
    namespaces: [namespace('a'), namespace('b'), namespace('c'), namespace('d', '2026-01-01T00:00:00Z')],
    // Written otherwise, and the same.
    rootCas: [map('a', state.bundle.replaceAll('\n-----BEGIN', '\n\n-----BEGIN')), map('b', old.certificate)],
  };
  const behind = lagging(state, found);
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
  expect(rotationStatus(state, found)).toMatchObject({
    phase: 'issue',
    authorities: [{ keyHash: keyHashOf(made.certificate) }, { keyHash: keyHashOf(old.certificate) }],
  });
});
