import { X509Certificate } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import type { Pod, TokenRequest, TokenReview } from '#api/objects.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { makeSigningKey, signingKeyOf, type VerificationKey } from '#machinery/pki/signing-key.ts';
import { systemRandom } from '#machinery/random.ts';
import type { Identity } from '#machinery/transport.ts';
import type { RequestContext } from '../contract.ts';
import { FakeEngine } from '../fake/engine.ts';
import {
  ANONYMOUS,
  authenticate,
  authenticationHandlers,
  authenticators,
  bootstrapTokens,
  clientCertificates,
  type ServiceAccountTokens,
  serviceAccountTokens,
} from './index.ts';

const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const key = signingKeyOf(makeSigningKey());
let objects: FakeEngine;
let clock: VirtualClock;
let tokens: ServiceAccountTokens;

beforeEach(() => {
  clock = new VirtualClock();
  objects = new FakeEngine();
  objects.seed(ServiceAccountKind, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'web', namespace: 'shop', uid: 'sa-1' },
  });
  objects.seed(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', uid: 'node-1' } });
  objects.seed(PodKind, pod('pod-1'));
  tokens = make([key]);
});

function pod(uid: string): Pod {
  const spec = { serviceAccountName: 'web', nodeName: 'n1', containers: [] };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'shop', uid }, spec };
}

function make(keys: [typeof key, ...(typeof key)[]]): ServiceAccountTokens {
  return serviceAccountTokens({
    keys: () => keys,
    issuer: ISSUER,
    audiences: [ISSUER],
    objects,
    clock,
    random: systemRandom,
  });
}

/** What POST serviceaccounts/web/token answers. */
async function request(
  spec: Partial<NonNullable<TokenRequest['spec']>> = {},
  identity: Identity = { name: 'admin', groups: [] },
): Promise<TokenRequest> {
  const handler = authenticationHandlers(tokens, bootstrapTokens(objects, clock), clock).find(
    (each) => each.resource === 'serviceaccounts/token',
  )!;
  const context = { info: { namespace: 'shop', name: 'web' }, identity } as RequestContext;
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { name: '' },
    spec: { audiences: [], ...spec },
  };
  return (await handler.serve!(context, body as TokenRequest, objects)) as TokenRequest;
}

const bearer = (token: string) =>
  authenticate(authenticators(tokens, bootstrapTokens(objects, clock), objects, clock), {
    authorization: `Bearer ${token}`,
  });

describe('client certificates', () => {
  test('CN is the user, O the groups', async () => {
    const authority = await makeAuthority('client-ca', 1e9, clock, systemRandom);
    const order = {
      subject: { commonName: 'system:node:n1', organizations: ['system:nodes'] },
      usages: ['client' as const],
      lifetimeMs: 1e9,
    };
    const made = await issueCertificate(authority, order, clock, systemRandom);
    const certificate = new X509Certificate(made.certificate).raw;
    const authenticator = clientCertificates(clock);
    expect(await authenticator.authenticate({ certificate })).toEqual({
      extra: {
        'authentication.kubernetes.io/credential-id': [expect.stringMatching(/^X509SHA256=[0-9a-f]{64}$/)],
      },
      name: 'system:node:n1',
      groups: ['system:nodes', 'system:authenticated'],
    });
    await clock.advance(1e9);
    await expect(authenticator.authenticate({ certificate })).rejects.toMatchObject({
      reason: 'Unauthorized',
    });
  });
});

describe('anonymous', () => {
  test('is who brings nothing; who brings a wrong token is refused', async () => {
    expect(
      await authenticate(authenticators(tokens, bootstrapTokens(objects, clock), objects, clock), {}),
    ).toBe(ANONYMOUS);
    await expect(bearer('nonsense')).rejects.toMatchObject({
      reason: 'Unauthorized',
      message: 'Unauthorized',
    });
    await expect(bearer('a.b.c')).rejects.toMatchObject({ reason: 'Unauthorized' });
  });
});

describe('service-account tokens', () => {
  test('goes on while its key is in use beside the one that signs, and ends with that, also when it was seen before', async () => {
    const made = signingKeyOf(makeSigningKey());
    const { privateKey: _, ...old } = key;
    let keys: readonly [typeof key, ...VerificationKey[]] = [key];
    tokens = serviceAccountTokens({
      ...{ keys: () => keys, issuer: ISSUER, audiences: [ISSUER], objects, clock, random: systemRandom },
    });
    const of = async () => (await request()).status!.token!;
    const first = await of();
    await bearer(first);
    keys = [made, old];
    const second = await of();
    for (const token of [first, second]) await bearer(token);
    expect((tokens.jwks() as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)).toEqual([
      made.id,
      key.id,
    ]);
    keys = [made];
    await bearer(second);
    await expect(bearer(first)).rejects.toMatchObject({ reason: 'Unauthorized' });
  });

  test('a token bound to a pod names the account, its groups, the pod and its node', async () => {
    const made = await request({
      boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p', uid: 'pod-1' },
    });
    expect(await bearer(made.status!.token!)).toMatchObject({
      name: 'system:serviceaccount:shop:web',
      uid: 'sa-1',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:shop', 'system:authenticated'],
      extra: {
        'authentication.kubernetes.io/pod-name': ['p'],
        'authentication.kubernetes.io/pod-uid': ['pod-1'],
        'authentication.kubernetes.io/node-name': ['n1'],
      },
    });
  });

  test('ends with its time, which is an hour unless asked', async () => {
    const made = await request();
    expect(made.status!.expirationTimestamp).toBe('2026-01-01T01:00:00Z');
    await bearer(made.status!.token!);
    await clock.advance(3_600_000);
    await expect(bearer(made.status!.token!)).rejects.toMatchObject({ reason: 'Unauthorized' });
  });

  test('ends with its pod, also when another one of the same name is there', async () => {
    const made = await request({ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p' } });
    await bearer(made.status!.token!);
    objects.seed(PodKind, pod('pod-2'));
    await expect(bearer(made.status!.token!)).rejects.toMatchObject({ reason: 'Unauthorized' });
  });

  test('ends with its account', async () => {
    const made = await request();
    await bearer(made.status!.token!);
    objects.remove(ServiceAccountKind as never, 'web', 'shop');
    await expect(bearer(made.status!.token!)).rejects.toMatchObject({ reason: 'Unauthorized' });
  });

  test('for another audience it does not open the server, but a review for that audience', async () => {
    const made = await request({ audiences: ['vault'] });
    await expect(bearer(made.status!.token!)).rejects.toMatchObject({ reason: 'Unauthorized' });
    const review = authenticationHandlers(tokens, bootstrapTokens(objects, clock), clock).find((each) =>
      each.resource.startsWith('tokenreviews'),
    )!;
    const asked = async (audiences: string[]) => {
      const body = { spec: { token: made.status!.token!, audiences } } as TokenReview;
      return ((await review.serve!({} as RequestContext, body, objects)) as TokenReview).status;
    };
    expect(await asked(['vault', 'x'])).toMatchObject({ authenticated: true, audiences: ['vault'] });
    expect(await asked(['x'])).toMatchObject({ authenticated: false });
  });

  test('with another key, a changed payload or no signature it is refused', async () => {
    const token = (await request()).status!.token!;
    const [head = '', body = '', signature = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
    const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'system:serviceaccount:shop:root' }));
    await expect(bearer(`${head}.${forged.toString('base64url')}.${signature}`)).rejects.toBeDefined();
    const none = Buffer.from(JSON.stringify({ alg: 'none', kid: key.id })).toString('base64url');
    await expect(bearer(`${none}.${body}.`)).rejects.toMatchObject({ reason: 'Unauthorized' });
    tokens = make([signingKeyOf(makeSigningKey())]);
    await expect(bearer(token)).rejects.toMatchObject({ reason: 'Unauthorized' });
    tokens = make([signingKeyOf(makeSigningKey()), key]);
    await expect(bearer(token)).resolves.toMatchObject({ uid: 'sa-1' });
  });

  test('a node gets tokens bound to its own pods only', async () => {
    const node = (name: string) => ({ name: `system:node:${name}`, groups: ['system:nodes'] });
    const bound = { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p', uid: 'pod-1' } };
    await expect(request(bound, node('n1'))).resolves.toMatchObject({ kind: 'TokenRequest' });
    await expect(request(bound, node('n2'))).rejects.toMatchObject({ reason: 'Forbidden' });
    await expect(request({}, node('n1'))).rejects.toMatchObject({
      message: 'serviceaccounts "web" is forbidden: node requested token not bound to a pod',
    });
  });

  test('requests that make no sense are refused in the words of Kubernetes', async () => {
    await expect(request({ expirationSeconds: 60 })).rejects.toMatchObject({
      reason: 'Invalid',
      message: expect.stringContaining(
        'spec.expirationSeconds: Invalid value: 60: may not specify a duration less',
      ),
    });
    const at = (name: string, uid?: string) => ({
      boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid },
    });
    await expect(request(at('none'))).rejects.toMatchObject({
      reason: 'NotFound',
      message: 'pods "none" not found',
    });
    await expect(request(at('p', 'other'))).rejects.toMatchObject({ reason: 'Conflict' });
    objects.seed(PodKind, { ...pod('pod-3'), spec: { serviceAccountName: 'db', containers: [] } });
    await expect(request(at('p'))).rejects.toMatchObject({ reason: 'BadRequest' });
  });
});
