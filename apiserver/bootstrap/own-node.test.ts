import { beforeEach, describe, expect, test } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { CONTROL_PLANE_ROLE, NodeKind } from '#api/kinds/node.ts';
import type { Node } from '#api/objects.ts';
import { NODE_KEYS } from '#api/semantics/node-keys.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { FakeEngine } from '../fake/engine.ts';
import { bindOwnNode, labelOwnNode } from './own-node.ts';

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

describe('the node of a server has the role of the control plane', () => {
  const node = (name: string): Node => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
  const labels = (name: string) => engine.get(NodeKind, name)?.metadata.labels;
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const lines: LogLine[] = [];
  const label = () => labelOwnNode(engine, 'n1', memoryLogger(lines));

  test('as soon as it is there, again when it is another one, and no other node', async () => {
    label();
    for (const name of ['n1', 'n2']) engine.seed(NodeKind, node(name));
    await settled();
    expect([labels('n1'), labels('n2')]).toEqual([{ [CONTROL_PLANE_ROLE]: '' }, undefined]);
    engine.remove(NodeKind, 'n1');
    engine.seed(NodeKind, node('n1'));
    await settled();
    expect(labels('n1')).toEqual({ [CONTROL_PLANE_ROLE]: '' });
  });

  test('unless somebody takes it away, or the server ends', async () => {
    engine.seed(NodeKind, node('n1'));
    const end = label();
    await settled();
    engine.seed(NodeKind, node('n1'));
    await settled();
    expect(labels('n1')).toBeUndefined();
    end();
    engine.remove(NodeKind, 'n1');
    engine.seed(NodeKind, node('n1'));
    await settled();
    expect(labels('n1')).toBeUndefined();
  });
});
