import { describe, expect, test } from 'vitest';
import { generatedSchemas } from '../schema/load.ts';
import type { JsonObject } from '../schema/model.ts';
import { applyJsonPatch, MAX_OPERATIONS } from './json-patch.ts';
import { applyMergePatch } from './merge.ts';
import { applyStrategicMergePatch } from './strategic.ts';

describe('JSON patch', () => {
  test('performs each operation and leaves the document alone', () => {
    const document = { a: { b: [1, 2] }, c: 'x' };
    const patched = applyJsonPatch(document, [
      { op: 'test', path: '/c', value: 'x' },
      { op: 'add', path: '/a/b/-', value: 3 },
      { op: 'add', path: '/a/b/0', value: 0 },
      { op: 'replace', path: '/c', value: 'y' },
      { op: 'copy', from: '/a/b', path: '/d' },
      { op: 'move', from: '/a', path: '/e~1f' },
      { op: 'remove', path: '/d/0' },
    ]);
    expect(patched).toEqual({ c: 'y', d: [1, 2, 3], 'e/f': { b: [0, 1, 2, 3] } });
    expect(document).toEqual({ a: { b: [1, 2] }, c: 'x' });
  });

  test.each([
    [{ op: 'test', path: '/a', value: 2 }],
    [{ op: 'remove', path: '/x' }],
    [{ op: 'replace', path: '/x/y', value: 1 }],
    [{ op: 'add', path: '/x/y', value: 1 }],
    [{ op: 'replace', path: '', value: 1 }],
    [{ op: 'add', path: '/__proto__/polluted', value: 1 }],
    [{ op: 'move', from: '', path: '/a/b' }],
    [{ op: 'move', from: '/a', path: '/a/b' }],
    [{ op: 'add', path: '/constructor/prototype/polluted', value: 1 }],
    [{ op: 'x', path: '/a' }],
    [{ op: 'add', path: 'a', value: 1 }],
    [{ op: 'add', path: '/a' }],
  ])('%j fails as Invalid', (operation) => {
    expect(() => applyJsonPatch({ a: 1 }, [operation])).toThrow(
      expect.objectContaining({ reason: 'Invalid' }),
    );
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  test.each([{}, null, [1]])('%j is no patch: BadRequest', (patch) => {
    expect(() => applyJsonPatch({ a: 1 }, patch)).toThrow(expect.objectContaining({ reason: 'BadRequest' }));
  });

  test('operations and copies have bounds', () => {
    const many = Array.from({ length: MAX_OPERATIONS + 1 }, () => ({ op: 'test', path: '/a', value: 1 }));
    expect(() => applyJsonPatch({ a: 1 }, many)).toThrow(
      expect.objectContaining({ reason: 'RequestEntityTooLarge' }),
    );
    const doubling = Array.from({ length: 60 }, (_, at) => ({ op: 'copy', from: '', path: `/x${at}` }));
    expect(() => applyJsonPatch({ a: 'aaaa' }, doubling)).toThrow(
      expect.objectContaining({ reason: 'Invalid' }),
    );
  });
});

describe('merge patch', () => {
  // The examples of RFC 7386, appendix A, that have objects on both sides.
  test.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j with %j is %j', (document, patch, expected) => {
    expect(applyMergePatch(document, patch)).toEqual(expected);
  });

  test('a member called __proto__ is data', () => {
    const patched = applyMergePatch({}, JSON.parse('{"__proto__":{"x":1}}') as JsonObject);
    expect(Object.getPrototypeOf(patched)).toBe(Object.prototype);
    expect(JSON.stringify(patched)).toBe('{"__proto__":{"x":1}}');
  });
});

describe('strategic merge patch', () => {
  const pod = generatedSchemas().type('io.k8s.api.core.v1.Pod');
  const deployment = generatedSchemas().type('io.k8s.api.apps.v1.Deployment');
  const patchPod = (spec: object, patch: object) =>
    applyStrategicMergePatch({ spec }, { spec: patch }, pod)['spec'];

  test('containers merge by name, others stay', () => {
    const spec = {
      containers: [
        { name: 'a', image: '1', args: ['x'] },
        { name: 'b', image: '1' },
      ],
    };
    const patch = {
      containers: [
        { name: 'a', image: '2', args: ['y'] },
        { name: 'c', image: '1' },
      ],
    };
    expect(patchPod(spec, patch)).toEqual({
      containers: [
        { name: 'a', image: '2', args: ['y'] },
        { name: 'c', image: '1' },
        { name: 'b', image: '1' },
      ],
    });
    expect(spec.containers[0]!.image).toBe('1');
  });

  test('null removes a field, also inside an element', () => {
    const spec = { nodeName: 'n', containers: [{ name: 'a', image: '1', command: ['x'] }] };
    const patch = { nodeName: null, containers: [{ name: 'a', command: null, image: '2' }] };
    expect(patchPod(spec, patch)).toEqual({ containers: [{ name: 'a', image: '2' }] });
  });

  test('$patch: delete takes an element out, replace starts a list or object anew', () => {
    const spec = { containers: [{ name: 'a' }, { name: 'b' }], securityContext: { runAsUser: 1 } };
    expect(patchPod(spec, { containers: [{ name: 'a', $patch: 'delete' }] })).toMatchObject({
      containers: [{ name: 'b' }],
    });
    expect(patchPod(spec, { containers: [{ $patch: 'replace' }, { name: 'c' }] })).toMatchObject({
      containers: [{ name: 'c' }],
    });
    expect(patchPod(spec, { securityContext: { $patch: 'replace', fsGroup: 2 } })).toMatchObject({
      securityContext: { fsGroup: 2 },
    });
    expect(patchPod(spec, { securityContext: { $patch: 'delete' } })).toMatchObject({ securityContext: {} });
  });

  test('$retainKeys drops the other members of a union', () => {
    const before = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } };
    const patch = { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } };
    expect(applyStrategicMergePatch(before, patch, deployment)).toEqual({
      spec: { strategy: { type: 'Recreate' } },
    });
  });

  test('lists of plain values merge as sets where the schema says so, and lose what is named', () => {
    const object = { metadata: { finalizers: ['a', 'b'] } };
    const patched = (metadata: object) => applyStrategicMergePatch(object, { metadata }, pod)['metadata'];
    expect(patched({ finalizers: ['b', 'c'] })).toEqual({ finalizers: ['a', 'b', 'c'] });
    expect(patched({ '$deleteFromPrimitiveList/finalizers': ['a'] })).toEqual({ finalizers: ['b'] });
    expect(
      patched({
        '$deleteFromPrimitiveList/finalizers': ['a'],
        finalizers: ['c'],
        '$setElementOrder/finalizers': ['c', 'b'],
      }),
    ).toEqual({ finalizers: ['c', 'b'] });
  });

  test('$setElementOrder orders what it names; what only the server has stays near its place', () => {
    const names = (list: unknown) => (list as { name: string }[]).map((element) => element.name).join('');
    const containers = (text: string) => [...text].map((name) => ({ name }));
    const ordered = (live: string, patch: string, order: string) =>
      names(
        (
          patchPod(
            { containers: containers(live) },
            { containers: containers(patch), '$setElementOrder/containers': containers(order) },
          ) as JsonObject
        )['containers'],
      );
    expect(ordered('abc', 'd', 'dca')).toBe('dbca');
    expect(ordered('asb', '', 'ba')).toBe('sba');
    expect(ordered('ab', 'c', 'cab')).toBe('cab');
    expect(
      names(
        (
          patchPod(
            { containers: containers('ab') },
            { '$setElementOrder/containers': containers('ba') },
          ) as JsonObject
        )['containers'],
      ),
    ).toBe('ba');
  });

  test('container ports and volume mounts have their own keys; atomic lists are replaced', () => {
    const spec = {
      containers: [
        {
          name: 'a',
          ports: [{ containerPort: 80 }],
          volumeMounts: [{ mountPath: '/a', name: 'v' }],
          args: ['1'],
        },
      ],
      tolerations: [{ key: 'a' }],
    };
    const patch = {
      containers: [
        {
          name: 'a',
          ports: [{ containerPort: 81 }],
          volumeMounts: [{ mountPath: '/a', readOnly: true }],
          args: ['2'],
        },
      ],
      tolerations: [{ key: 'b' }],
    };
    expect(patchPod(spec, patch)).toEqual({
      containers: [
        {
          name: 'a',
          ports: [{ containerPort: 81 }, { containerPort: 80 }],
          volumeMounts: [{ mountPath: '/a', name: 'v', readOnly: true }],
          args: ['2'],
        },
      ],
      tolerations: [{ key: 'b' }],
    });
  });

  test('no directive ends up in the object, whatever was there before', () => {
    const patched = patchPod(
      {},
      {
        containers: [
          { name: 'a', $patch: 'delete' },
          { name: 'b', resources: { $patch: 'replace' } },
        ],
        '$setElementOrder/containers': [{ name: 'b' }],
        securityContext: { $retainKeys: ['fsGroup'], fsGroup: 1, runAsUser: null },
      },
    );
    expect(JSON.stringify(patched)).not.toContain('$');
  });

  test.each([
    { containers: [{ image: 'x' }] },
    { containers: ['x'] },
    { containers: [{ name: 'a', $patch: 'frob' }] },
    { securityContext: { $patch: 'frob' } },
    { securityContext: { $retainKeys: [], fsGroup: 1 } },
    { '$setElementOrder/containers': 'x', containers: [] },
  ])('%j is refused', (patch) => {
    expect(() => patchPod({ containers: [{ name: 'a' }] }, patch)).toThrow(
      expect.objectContaining({ reason: 'BadRequest' }),
    );
  });

  test('annotations and labels merge as maps', () => {
    const patched = applyStrategicMergePatch(
      { metadata: { labels: { a: '1', b: '2' } } },
      { metadata: { labels: { a: null, c: '3' } } },
      pod,
    );
    expect(patched).toEqual({ metadata: { labels: { b: '2', c: '3' } } });
  });
});
