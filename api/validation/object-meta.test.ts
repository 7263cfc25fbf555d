import { describe, expect, it } from 'vitest';
import type { ObjectMeta, OwnerReference } from '../objects.ts';
import { QUALIFIED, SUBDOMAIN } from '../testing/name-texts.ts';
import { faultText } from './fault-text.ts';
import { Faults, sameData } from './faults.ts';
import { isDnsSubdomain } from './names.ts';
import { checkObjectMeta, checkObjectMetaUpdate } from './object-meta.ts';

function faults(meta: Partial<ObjectMeta>, namespaced = true): string[] {
  const found = new Faults();
  checkObjectMeta(
    { name: 'a', ...(namespaced && { namespace: 'd' }), ...meta },
    { namespaced, name: isDnsSubdomain },
    found,
  );
  return found.list.map(faultText);
}

const owner = (more: Partial<OwnerReference> = {}): OwnerReference => ({
  apiVersion: 'v1',
  kind: 'Pod',
  name: 'p',
  uid: 'u',
  ...more,
});

describe('metadata', () => {
  it.each<[Partial<ObjectMeta>, string[]]>([
    [{}, []],
    [{ name: '' }, ['metadata.name: Required value: name or generateName is required']],
    [{ name: 'web', generateName: 'web-' }, []],
    [{ namespace: '' }, ['metadata.namespace: Required value']],
    [{ namespace: 'a.b' }, ['metadata.namespace: Invalid value: "a.b": must not contain dots']],
    [{ annotations: { 'A.B/c': 'x' } }, []],
    [{ finalizers: ['a.b/c', 'kubernetes', 'orphan'] }, []],
    [
      { finalizers: ['a.b/c', 'hold'] },
      [
        'metadata.finalizers[1]: Invalid value: "hold": name is neither a standard finalizer name nor is it fully qualified',
      ],
    ],
    [
      { finalizers: ['orphan', 'foregroundDeletion'] },
      [
        'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
      ],
    ],
    [
      { annotations: { a: 'x'.repeat(256 * 1024) } },
      ['metadata.annotations: Too long: may not be more than 262144 bytes'],
    ],
    [{ ownerReferences: [owner({ controller: true }), owner({ controller: false })] }, []],
    [
      { ownerReferences: [owner({ apiVersion: '', name: '' })] },
      [
        'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
        'metadata.ownerReferences.name: Invalid value: "": must not be empty',
      ],
    ],
    [
      { ownerReferences: [owner({ kind: 'Event' })] },
      [
        'metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event","name":"p","uid":"u"}: /v1, Kind=Event is disallowed from being an owner',
      ],
    ],
    [
      { ownerReferences: [owner({ apiVersion: 'a/b/c' })] },
      ['metadata.ownerReferences.apiVersion: Invalid value: "a/b/c": version must not be empty'],
    ],
    [
      { name: '', generateName: 'A-' },
      [
        `metadata.generateName: Invalid value: "A-": ${SUBDOMAIN}`,
        'metadata.name: Required value: name or generateName is required',
      ],
    ],
    [
      { finalizers: ['a.b/c', 'kubernetes', 'mine', '-'] },
      [
        `metadata.finalizers: Invalid value: "-": name part ${QUALIFIED}`,
        'metadata.finalizers[2]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
        'metadata.finalizers[3]: Invalid value: "-": name is neither a standard finalizer name nor is it fully qualified',
      ],
    ],
    [
      { finalizers: ['orphan', 'foregroundDeletion'] },
      [
        'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
      ],
    ],
  ])('%j', (meta, expected) => {
    expect(faults(meta)).toEqual(expected);
  });

  it('of kinds outside Kubernetes has finalizers of any name', () => {
    const found = new Faults();
    const rules = { namespaced: false, name: isDnsSubdomain, anyFinalizer: true as const };
    checkObjectMeta({ name: 'a', finalizers: ['hold'] }, rules, found);
    expect(found.list).toEqual([]);
  });

  it('has one controller', () => {
    const [fault] = faults({
      ownerReferences: [owner({ controller: true }), owner({ name: 'q', controller: true })],
    });
    expect(fault).toMatch(
      /: Only one reference can have Controller set to true\. Found "true" in references for Pod\/p and Pod\/q$/,
    );
  });

  it('has no namespace outside of namespaces', () => {
    expect(faults({ namespace: 'd' }, false)).toEqual([
      'metadata.namespace: Forbidden: not allowed on this type',
    ]);
  });
});

describe('a change of metadata', () => {
  const meta = { name: 'a', namespace: 'd', uid: 'u' };
  const changes = (now: ObjectMeta, before: ObjectMeta): string[] => {
    const found = new Faults();
    checkObjectMetaUpdate(now, before, found);
    return found.list.map(faultText);
  };

  it('leaves alone who it is', () => {
    expect(changes({ name: 'b', namespace: 'e', uid: 'v' }, meta)).toEqual([
      'metadata.name: Invalid value: "b": field is immutable',
      'metadata.namespace: Invalid value: "e": field is immutable',
      'metadata.uid: Invalid value: "v": field is immutable',
    ]);
  });

  it('lets nobody hold back what is being deleted', () => {
    const old = { ...meta, deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['a/b'] };
    expect(changes({ ...old, finalizers: ['a/b', 'c/e', 'c/d'] }, old)).toEqual([
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"c/d", "c/e"}',
    ]);
    expect(changes({ ...old, finalizers: [] }, old)).toEqual([]);
    expect(changes({ ...meta, finalizers: ['c/d'] }, meta)).toEqual([]);
  });
});

describe('two pieces of data say the same', () => {
  it.each<[unknown, unknown]>([
    [undefined, null],
    [{ a: 1 }, { a: 1, b: undefined }],
    [{ a: [] }, {}],
    [{ a: {} }, { a: undefined }],
    [
      { b: [1, { c: 2 }], a: 1 },
      { a: 1, b: [1, { c: 2 }] },
    ],
  ])('%j and %j', (a, b) => {
    expect(sameData(a, b)).toBe(true);
    expect(sameData(b, a)).toBe(true);
  });

  it.each<[unknown, unknown]>([
    [1, '1'],
    [0, undefined],
    [false, undefined],
    [{ a: 1 }, { a: 2 }],
    [{ a: 1 }, { a: 1, b: 2 }],
    [
      [1, 2],
      [2, 1],
    ],
    [[1], { 0: 1 }],
  ])('but %j and %j do not', (a, b) => {
    expect(sameData(a, b)).toBe(false);
    expect(sameData(b, a)).toBe(false);
  });
});
