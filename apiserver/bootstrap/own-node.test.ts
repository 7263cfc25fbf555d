import { beforeEach, expect, test } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NODE_KEYS } from '#api/semantics/node-keys.ts';
import { FakeEngine } from '../fake/engine.ts';
import { bindOwnNode } from './own-node.ts';

let engine: FakeEngine;
beforeEach(() => {
  engine = new FakeEngine();
});

const entries = () => engine.get(ConfigMapKind, NODE_KEYS.name, NODE_KEYS.namespace)?.data;
const seed = (data: Record<string, string>) =>
  engine.seed(ConfigMapKind, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...NODE_KEYS }, data });

test('the node of a server is bound to the key that the server made, and to the next one', async () => {
  expect(await bindOwnNode(engine, { name: 'n1', keyHash: 'a' })).toBe(true);
  expect(entries()).toEqual({ n1: 'a server' });
  seed({ n1: 'a registered server', n2: 'f registered' });
  expect(await bindOwnNode(engine, { name: 'n1', keyHash: 'a' })).toBe(true);
  expect(entries()).toEqual({ n1: 'a registered server', n2: 'f registered' });
  expect(await bindOwnNode(engine, { name: 'n1', keyHash: 'b' })).toBe(true);
  expect(entries()).toEqual({ n1: 'b a registered server', n2: 'f registered' });
});

test('a server may take the name of a node that was removed, and no key of it', async () => {
  seed({ n1: 'f e removed=2026-01-01T00:00:00.000Z' });
  expect(await bindOwnNode(engine, { name: 'n1', keyHash: 'a' })).toBe(true);
  expect(entries()).toEqual({ n1: 'a server' });
});

test('but not that of another machine', async () => {
  seed({ n1: 'f registered' });
  expect(await bindOwnNode(engine, { name: 'n1', keyHash: 'a' })).toBe(false);
  expect(entries()).toEqual({ n1: 'f registered' });
});
