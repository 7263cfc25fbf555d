import { expect, test } from 'vitest';
import { SecretKind } from '#api/kinds/secret.ts';
import type { Secret } from '#api/objects.ts';
import { failEveryStepOnce, inLab, type Scene } from '../framework/lab.ts';
import { bootstrapTokenController } from './controller.ts';

function token(name: string, expiration: string, change: Partial<Secret> = {}): Secret {
  const data = { expiration: Buffer.from(expiration).toString('base64') };
  const metadata = { name, namespace: 'kube-system' };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata,
    type: 'bootstrap.kubernetes.io/token',
    data,
    ...change,
  };
}

const scene: Scene = {
  roster: [bootstrapTokenController],
  async arrange({ client }) {
    const over = '2025-12-31T23:59:59Z';
    await client.create(SecretKind, token('over', over));
    await client.create(SecretKind, token('later', '2026-01-01T02:00:00Z'));
    await client.create(SecretKind, token('never', ''));
    await client.create(SecretKind, token('nonsense', 'tomorrow'));
    await client.create(
      SecretKind,
      token('elsewhere', over, { metadata: { name: 'elsewhere', namespace: 'default' } }),
    );
    await client.create(SecretKind, token('other', over, { type: 'Opaque' }));
  },
};

test('tokens go when their time is over, whichever step fails, and nothing else does', () =>
  failEveryStepOnce(scene, (cluster) => {
    const left = cluster.all(SecretKind).map(({ metadata }) => metadata.name);
    expect(left.sort()).toEqual(['elsewhere', 'later', 'never', 'other']);
  }));

test('a token goes at its time', () =>
  inLab(scene, async ({ cluster, clock }) => {
    await clock.advance(2 * 3_600_000);
    expect(cluster.get(SecretKind, { name: 'later', namespace: 'kube-system' })).toBeUndefined();
  }));
