import { createHash, X509Certificate } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { SecretKind } from '#api/kinds/secret.ts';
import { NODE_KEYS } from '#api/semantics/node-keys.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { systemRandom } from '#machinery/random.ts';
import { FakeEngine } from '../fake/engine.ts';
import { authenticate, authenticators, bootstrapTokens } from './index.ts';

let objects: FakeEngine;
let clock: VirtualClock;
beforeEach(() => {
  clock = new VirtualClock();
  objects = new FakeEngine();
});
const list = () => authenticators(undefined, bootstrapTokens(objects, clock), objects, clock);

describe('bootstrap tokens', () => {
  const GROUP = 'system:bootstrappers:gantry:default-node-token';
  const GOOD = {
    'token-id': 'abcdef',
    'token-secret': '0123456789abcdef',
    'usage-bootstrap-authentication': 'true',
    'auth-extra-groups': GROUP,
  };
  const store = (data: Record<string, string>, change: object = {}) =>
    objects.seed(SecretKind, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system', uid: 's' },
      type: 'bootstrap.kubernetes.io/token',
      data: Object.fromEntries(
        Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
      ),
      ...change,
    });
  const show = (token = 'abcdef.0123456789abcdef') =>
    authenticate(list(), { authorization: `Bearer ${token}` });
  const refused = { reason: 'Unauthorized', message: 'Unauthorized' };

  test('are a user and the groups of bootstrappers', async () => {
    store(GOOD);
    expect(await show()).toEqual({
      name: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers', GROUP, 'system:authenticated'],
    });
  });

  test('hold until their time', async () => {
    const minute = new Date(clock.now() + 60_000).toISOString();
    store({ ...GOOD, expiration: minute });
    expect(await show()).toMatchObject({ name: 'system:bootstrap:abcdef' });
    await clock.advance(60_000);
    await expect(show()).rejects.toMatchObject(refused);
  });

  test.each<[string, Record<string, string>, object]>([
    ['with another secret', { ...GOOD, 'token-secret': '0123456789abcdeX' }, {}],
    ['with a longer secret', { ...GOOD, 'token-secret': '0123456789abcdef0' }, {}],
    ['without a secret', { ...GOOD, 'token-secret': '' }, {}],
    ['of another id', { ...GOOD, 'token-id': 'ghijkl' }, {}],
    ['not for this', { ...GOOD, 'usage-bootstrap-authentication': 'false' }, {}],
    ['that end at no time', { ...GOOD, expiration: 'tomorrow' }, {}],
    ['that end at a time in other words', { ...GOOD, expiration: '3000' }, {}],
    ['with a group of others', { ...GOOD, 'auth-extra-groups': `${GROUP},system:masters` }, {}],
    ['of another type', GOOD, { type: 'Opaque' }],
    [
      'that are going',
      GOOD,
      {
        metadata: {
          ...{ name: 'bootstrap-token-abcdef', namespace: 'kube-system', uid: 's' },
          deletionTimestamp: '2026-01-01T00:00:00Z',
        },
      },
    ],
    ['elsewhere', GOOD, { metadata: { name: 'bootstrap-token-abcdef', namespace: 'default', uid: 's' } }],
  ])('%s are of no use', async (_, data, change) => {
    store(data, change);
    await expect(show()).rejects.toMatchObject(refused);
  });

  test('that nobody made, or that are none, are of no use', async () => {
    await expect(show()).rejects.toMatchObject(refused);
    store(GOOD);
    for (const token of ['abcdef', 'abcdef.0123456789ABCDEF', 'abcdef.0123456789abcdef.x'])
      await expect(show(token), token).rejects.toMatchObject(refused);
  });
});

describe('a node’s certificate', () => {
  async function certified(commonName: string) {
    const authority = await makeAuthority('client-ca', 1e9, clock, systemRandom);
    const subject = { commonName, organizations: ['system:nodes'] };
    const order = { subject, usages: ['client' as const], lifetimeMs: 1e9 };
    const { raw, publicKey } = new X509Certificate(
      (await issueCertificate(authority, order, clock, systemRandom)).certificate,
    );
    const hash = createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex');
    return { show: () => authenticate(list(), { certificate: raw }), hash };
  }
  const bind = (data: Record<string, string>) =>
    objects.seed(ConfigMapKind, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { ...NODE_KEYS, uid: 'm' },
      data,
    });

  test('passes while its key is bound to the name and its Node is there, or no key is', async () => {
    const { show, hash } = await certified('system:node:n1');
    expect(await show()).toMatchObject({ name: 'system:node:n1' });
    bind({ n2: 'f'.repeat(64) });
    expect(await show()).toMatchObject({ name: 'system:node:n1' });
    const bound = `${'f'.repeat(64)} ${hash} registered`;
    bind({ n1: bound });
    await expect(show()).rejects.toMatchObject({ reason: 'Unauthorized' });
    bind({ n1: `${bound} server` });
    expect(await show()).toMatchObject({ name: 'system:node:n1' });
    objects.seed(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
    bind({ n1: bound });
    expect(await show()).toMatchObject({ name: 'system:node:n1' });
    bind({ n1: `${'f'.repeat(64)} registered` });
    await expect(show()).rejects.toMatchObject({ reason: 'Unauthorized' });
    bind({ n1: `${hash} removed=2026-01-01T00:00:00.000Z` });
    await expect(show()).rejects.toMatchObject({ reason: 'Unauthorized' });
    bind({ n1: '' });
    await expect(show()).rejects.toMatchObject({ reason: 'Unauthorized' });
  });

  test('of somebody who is no node is not looked at', async () => {
    const { show } = await certified('n1');
    bind({ n1: 'f'.repeat(64) });
    expect(await show()).toMatchObject({ name: 'n1' });
  });
});
