import { describe, expect, it } from 'vitest';
import { type Kind, pathOf } from '../kind.ts';
import type { ApiObject } from '../objects.ts';
import { KINDS } from './index.ts';

const CASES = KINDS.filter((kind) => !kind.virtual && !kind.computed).map(
  (kind) => [pathOf(kind), kind] as const,
);

function faultsOf(faults: { type: string; field: string }[]): string[] {
  return faults.map(({ type, field }) => `${type} ${field}`);
}

describe('metadata is checked alike for all kinds', () => {
  it.each(CASES)('%s', (_path, kind) => {
    const bad: ApiObject = {
      apiVersion: 'v1',
      kind: kind.kind,
      metadata: {
        name: 'a/b',
        namespace: kind.namespaced ? 'Not Valid' : 'any',
        labels: { 'bad key': 'bad value!' },
        annotations: { '/x': '' },
        finalizers: ['a b'],
        ownerReferences: [{ apiVersion: '', kind: 'Pod', name: 'p', uid: 'u' }],
      },
    };
    kind.strategy.defaults?.(bad);
    const found = faultsOf(kind.strategy.validate(bad));
    for (const field of ['name', 'labels', 'annotations', 'finalizers', 'ownerReferences.apiVersion']) {
      expect(found).toContain(`Invalid metadata.${field}`);
    }
    expect(found).toContain(`${kind.namespaced ? 'Invalid' : 'Forbidden'} metadata.namespace`);
  });

  // A view leaves that to the kind that is stored.
  const stored = CASES.filter(([, kind]) => !kind.storedAs);
  it.each(stored)('%s: names and what is being deleted stay as they are', (_path, kind) => {
    const old: ApiObject = {
      apiVersion: 'v1',
      kind: kind.kind,
      metadata: { name: 'a', uid: '1', deletionTimestamp: '2026-01-01T00:00:00Z' },
    };
    const object: ApiObject = { ...old, metadata: { name: 'b', uid: '2', finalizers: ['x/y'] } };
    const found = faultsOf(kind.strategy.validateUpdate!(object, old));
    expect(found).toEqual(
      expect.arrayContaining([
        'Invalid metadata.name',
        'Invalid metadata.uid',
        'Forbidden metadata.finalizers',
      ]),
    );
  });

  // Source: those of Kubernetes' validations that do not go through the one of its core group.
  it('finalizers need a domain, but for objects of the API machinery', () => {
    const isFree = (kind: Kind): boolean => {
      const metadata = { name: 'a', finalizers: ['mine'] };
      const object: ApiObject = { apiVersion: 'v1', kind: kind.kind, metadata };
      kind.strategy.defaults?.(object);
      return !faultsOf(kind.strategy.validate(object)).includes('Invalid metadata.finalizers[0]');
    };
    const free = CASES.filter(([, kind]) => isFree(kind)).map(([, kind]) => kind.kind);
    expect(free.sort()).toEqual([
      'APIService',
      'CustomResourceDefinition',
      'Lease',
      'MutatingAdmissionPolicy',
      'MutatingAdmissionPolicyBinding',
      'MutatingWebhookConfiguration',
      'ValidatingAdmissionPolicy',
      'ValidatingAdmissionPolicyBinding',
      'ValidatingWebhookConfiguration',
    ]);
  });
});
