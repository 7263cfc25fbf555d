import { describe, expect, test } from 'vitest';
import { generatedSchemas } from '../schema/load.ts';
import type { JsonObject } from '../schema/model.ts';
import { applyServerSide, trackUpdate } from './apply.ts';
import { namedFields } from './compare.ts';
import { commonPaths, difference, isEmptySet, isFieldSet, showPath, union } from './field-set.ts';

const deployment = generatedSchemas().type('io.k8s.api.apps.v1.Deployment');
const NOW = '2026-01-01T00:00:00Z';
const LATER = '2026-01-02T00:00:00Z';

const config = (spec: object, metadata: object = {}): JsonObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default', ...metadata },
  spec,
});
const apply = (live: JsonObject | undefined, applied: JsonObject, manager = 'me', force = false) =>
  applyServerSide(live, applied, deployment, { manager, time: NOW, force, resets: ['status'] });
const containers = (...list: object[]) => ({ template: { spec: { containers: list } } });

const managers = (object: JsonObject) =>
  (object['metadata'] as { managedFields?: { manager: string; operation: string; fieldsV1: JsonObject }[] })
    .managedFields ?? [];
const fieldsOf = (object: JsonObject, manager: string) =>
  managers(object).find((entry) => entry.manager === manager)?.fieldsV1;

describe('applying', () => {
  test('creates the object and owns what the configuration names', () => {
    const created = apply(
      undefined,
      config({ replicas: 1, ...containers({ name: 'a', image: 'x' }) }, { labels: { l: '1' } }),
    );
    expect(created).toMatchObject(config({ replicas: 1, ...containers({ name: 'a', image: 'x' }) }));
    expect(managers(created)).toEqual([
      {
        manager: 'me',
        operation: 'Apply',
        apiVersion: 'apps/v1',
        time: NOW,
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:labels': { 'f:l': {} } },
          'f:spec': {
            'f:replicas': {},
            'f:template': {
              'f:spec': { 'f:containers': { 'k:{"name":"a"}': { '.': {}, 'f:image': {}, 'f:name': {} } } },
            },
          },
        },
      },
    ]);
  });

  test('again changes nothing, not even the time', () => {
    const first = apply(undefined, config({ replicas: 1 }));
    const again = applyServerSide(first, config({ replicas: 1 }), deployment, {
      manager: 'me',
      time: LATER,
      force: false,
    });
    expect(again).toEqual(first);
  });

  test('takes out what is no longer named, unless others own it', () => {
    const first = apply(
      undefined,
      config(
        { replicas: 1, paused: true, ...containers({ name: 'a', image: 'x' }, { name: 'b' }) },
        { labels: { a: '1', b: '2' } },
      ),
    );
    const both = apply(first, config({ replicas: 1 }), 'other');
    const next = apply(both, config(containers({ name: 'b' }), { labels: { b: '2' } }));
    expect(next).toMatchObject({ metadata: { labels: { b: '2' } }, spec: { replicas: 1 } });
    expect((next['spec'] as JsonObject)['paused']).toBeUndefined();
    expect((next['spec'] as { template: JsonObject }).template).toEqual({
      spec: { containers: [{ name: 'b' }] },
    });
  });

  test('leaves alone what others have set beside it, inside the same element too', () => {
    const mine = apply(
      undefined,
      config(containers({ name: 'a', image: 'x', env: [{ name: 'A', value: '1' }] })),
    );
    const theirs = apply(
      mine,
      config(containers({ name: 'a', env: [{ name: 'B', value: '2' }] }, { name: 'side' })),
      'injector',
    );
    const again = apply(theirs, config(containers({ name: 'a', image: 'y' })));
    expect((again['spec'] as { template: JsonObject }).template).toEqual({
      spec: { containers: [{ name: 'a', image: 'y', env: [{ name: 'B', value: '2' }] }, { name: 'side' }] },
    });
  });

  test('a port without protocol is the TCP port', () => {
    const first = apply(
      undefined,
      config(
        containers({
          name: 'a',
          ports: [
            { containerPort: 80, protocol: 'TCP' },
            { containerPort: 80, protocol: 'UDP' },
          ],
        }),
      ),
    );
    const next = apply(
      first,
      config(containers({ name: 'a', ports: [{ containerPort: 80, name: 'http' }] })),
      'other',
    );
    expect(
      (next['spec'] as { template: { spec: { containers: JsonObject[] } } }).template.spec.containers[0]![
        'ports'
      ],
    ).toEqual([
      { containerPort: 80, protocol: 'TCP', name: 'http' },
      { containerPort: 80, protocol: 'UDP' },
    ]);
  });

  test('the status is nobody’s but the subresource’s', () => {
    const created = apply(undefined, { ...config({ replicas: 1 }), status: { replicas: 5 } });
    expect(created['status']).toBeUndefined();
    const status = applyServerSide(
      created,
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, status: { replicas: 5 } },
      deployment,
      { manager: 's', time: NOW, force: false, subresource: 'status' },
    );
    expect(status['status']).toEqual({ replicas: 5 });
    expect(fieldsOf(status, 's')).toEqual({ 'f:status': { 'f:replicas': {} } });
  });
});

describe('conflicts', () => {
  const live = apply(
    undefined,
    config({ replicas: 1, paused: true, ...containers({ name: 'a', image: 'x' }) }),
    'owner',
  );

  test('one is told in a line, with its cause', () => {
    expect(() => apply(live, config({ replicas: 2 }))).toThrow(
      expect.objectContaining({
        reason: 'Conflict',
        code: 409,
        message: 'Apply failed with 1 conflict: conflict with "owner": .spec.replicas',
        details: {
          causes: [
            { reason: 'FieldManagerConflict', message: 'conflict with "owner"', field: '.spec.replicas' },
          ],
        },
      }),
    );
  });

  test('several are listed', () => {
    expect(() => apply(live, config({ replicas: 2, ...containers({ name: 'a', image: 'y' }) }))).toThrow(
      'Apply failed with 2 conflicts: conflicts with "owner":\n- .spec.replicas\n- .spec.template.spec.containers[name="a"].image',
    );
  });

  test('the same value is shared, and force takes over', () => {
    const shared = apply(live, config({ replicas: 1 }));
    expect(fieldsOf(shared, 'owner')).toEqual(fieldsOf(live, 'owner'));
    const forced = apply(live, config({ replicas: 2 }), 'me', true);
    expect(forced).toMatchObject({ spec: { replicas: 2, paused: true } });
    expect(fieldsOf(forced, 'owner')?.['f:spec']).not.toHaveProperty('f:replicas');
    expect(fieldsOf(forced, 'me')).toEqual({ 'f:spec': { 'f:replicas': {} } });
  });

  test('fields from before the first apply have an owner of that name', () => {
    const untracked = config({ replicas: 1 });
    expect(() => apply(untracked, config({ replicas: 2 }))).toThrow(
      'conflict with "before-first-apply" using apps/v1: .spec.replicas',
    );
    expect(managers(apply(untracked, config({ replicas: 1 }))).map((entry) => entry.manager)).toEqual([
      'me',
      'before-first-apply',
    ]);
  });
});

describe('other writes', () => {
  test('move the ownership of what they change', () => {
    const live = apply(undefined, config({ replicas: 1, paused: true }));
    const next = structuredClone(live);
    next['spec'] = { replicas: 3, minReadySeconds: 5 };
    trackUpdate(live, next, deployment, { manager: 'kubectl-scale', time: LATER });
    expect(fieldsOf(next, 'me')).toBeUndefined();
    expect(fieldsOf(next, 'kubectl-scale')).toEqual({
      'f:spec': { 'f:minReadySeconds': {}, 'f:replicas': {} },
    });
    expect(() => apply(next, config({ replicas: 1 }))).toThrow(
      'conflict with "kubectl-scale" using apps/v1: .spec.replicas',
    );
  });

  test('are not tracked for objects that nobody applied, and the client can end tracking', () => {
    const plain = config({ replicas: 1 });
    const next = config({ replicas: 2 });
    trackUpdate(plain, next, deployment, { manager: 'x', time: NOW });
    expect(managers(next)).toEqual([]);
    const live = apply(undefined, plain);
    const ended = config({ replicas: 1 }, { managedFields: [{}] });
    trackUpdate(live, ended, deployment, { manager: 'x', time: NOW });
    expect(managers(ended)).toEqual([]);
  });

  test('of many managers only the last ten are kept apart', () => {
    let live = apply(undefined, config({ replicas: 1 }));
    for (let at = 0; at < 30; at++) {
      const next = structuredClone(live);
      (next['metadata'] as JsonObject)['annotations'] = {
        ...((live['metadata'] as JsonObject)['annotations'] as object),
        [`a${at}`]: 'x',
      };
      trackUpdate(live, next, deployment, {
        manager: `m${at}`,
        time: `2026-01-01T00:00:${String(at).padStart(2, '0')}Z`,
      });
      live = next;
    }
    const names = managers(live).map((entry) => entry.manager);
    expect(names).toHaveLength(11);
    expect(names).toContain('ancient-changes');
    expect(names).toContain('m29');
  });
});

describe('an object that is made by another write', () => {
  test('is owned as Kubernetes shows it: parts that were not there are marked, those that always are are not', () => {
    const made = config(
      {
        replicas: 1,
        selector: { matchLabels: { app: 'web' } },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: {
            containers: [{ name: 'a', resources: {}, ports: [{ containerPort: 80, protocol: 'TCP' }] }],
            securityContext: {},
          },
        },
      },
      { labels: { app: 'web' }, uid: 'u', generation: 1 },
    );
    made['status'] = { replicas: 1 };
    trackUpdate(undefined, made, deployment, {
      manager: 'kubectl-create',
      time: NOW,
      resets: ['status'],
    });
    expect(managers(made)).toEqual([
      {
        manager: 'kubectl-create',
        operation: 'Update',
        apiVersion: 'apps/v1',
        time: NOW,
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
          'f:spec': {
            'f:replicas': {},
            'f:selector': {},
            'f:strategy': { 'f:rollingUpdate': { '.': {}, 'f:maxSurge': {} }, 'f:type': {} },
            'f:template': {
              'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
              'f:spec': {
                'f:containers': {
                  'k:{"name":"a"}': {
                    '.': {},
                    'f:name': {},
                    'f:ports': {
                      '.': {},
                      'k:{"containerPort":80,"protocol":"TCP"}': {
                        '.': {},
                        'f:containerPort': {},
                        'f:protocol': {},
                      },
                    },
                    'f:resources': {},
                  },
                },
                'f:securityContext': {},
              },
            },
          },
        },
      },
    ]);
  });

  test('keeps the entries that the client sends with it', () => {
    const sent = [
      {
        manager: 'a',
        operation: 'Update',
        apiVersion: 'apps/v1',
        fieldsV1: { 'f:spec': { 'f:paused': {} } },
      },
    ];
    const live = apply(undefined, config({ paused: true }));
    const next = config({ paused: true }, { managedFields: sent });
    trackUpdate(live, next, deployment, { manager: 'b', time: LATER });
    expect(managers(next).map(({ manager }) => manager)).toEqual(['a']);
    const unreadable = config({ paused: true }, { managedFields: [{ manager: 'a', operation: 'Nothing' }] });
    trackUpdate(live, unreadable, deployment, { manager: 'b', time: LATER });
    expect(managers(unreadable)).toEqual(managers(live));
  });
});

describe('from client-side to server-side apply', () => {
  const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
  const appliedBefore = (spec: object) => {
    const text = JSON.stringify(config(spec));
    const live = config(spec, { annotations: { [annotation]: text } });
    trackUpdate(undefined, live, deployment, { manager: 'kubectl-client-side-apply', time: NOW });
    return live;
  };

  test('kubectl takes over what it applied, and leaves the annotation as if it had been there', () => {
    const next = apply(appliedBefore({ replicas: 1 }), config({ replicas: 2 }), 'kubectl');
    expect(next).toMatchObject({ spec: { replicas: 2 } });
    const annotations = (next['metadata'] as { annotations: Record<string, string> }).annotations;
    expect(JSON.parse(annotations[annotation]!)).toEqual(config({ replicas: 2 }));
  });

  test('but not what others have written since, and nobody else does', () => {
    const live = appliedBefore({ replicas: 1 });
    const scaled = structuredClone(live);
    scaled['spec'] = { replicas: 5, paused: true };
    trackUpdate(live, scaled, deployment, { manager: 'x', time: LATER });
    expect(() => apply(scaled, config({ paused: false }), 'kubectl')).toThrow('conflict with "x"');
    expect(() => apply(live, config({ replicas: 2 }), 'other')).toThrow(
      'conflict with "kubectl-client-side-apply"',
    );
  });
});

describe('sets of fields', () => {
  const object = config(
    {
      replicas: 1,
      selector: { matchLabels: { a: 'b' } },
      ...containers({ name: 'a', args: ['x'], ports: [{ containerPort: 80 }] }),
    },
    { finalizers: ['f'], labels: {} },
  );
  const set = namedFields(object, deployment, ['status']);

  test('name leaves, atomic parts and elements', () => {
    const shown = commonPaths(set, set).map(showPath);
    expect(shown).toContain('.spec.selector');
    expect(shown).toContain('.metadata.finalizers[="f"]');
    expect(shown).toContain('.metadata.labels');
    expect(shown).toContain(
      '.spec.template.spec.containers[name="a"].ports[containerPort=80,protocol="TCP"].containerPort',
    );
  });

  test('are joined and taken apart without changing those given', () => {
    const a = { 'f:a': { '.': {}, 'f:b': {} }, 'f:c': {} };
    const b = { 'f:a': { 'f:b': {}, 'f:d': {} } };
    const frozen = structuredClone([a, b]);
    expect(union(a, b)).toEqual({ 'f:a': { '.': {}, 'f:b': {}, 'f:d': {} }, 'f:c': {} });
    expect(difference(a, b)).toEqual({ 'f:a': {}, 'f:c': {} });
    expect(difference(a, { 'f:a': {} })).toEqual({ 'f:a': { 'f:b': {} }, 'f:c': {} });
    expect(difference(union(a, b), a)).toEqual({ 'f:a': { 'f:d': {} } });
    expect(isEmptySet(difference(a, a))).toBe(true);
    expect(difference(a, { 'f:x': {} })).toBe(a);
    expect([a, b]).toEqual(frozen);
  });

  test.each([null, [], { 'f:a': 1 }, { x: {} }, { 'k:{': {} }, { 'k:1': {} }])('%j is no set', (fields) => {
    expect(isFieldSet(fields)).toBe(false);
  });
});
