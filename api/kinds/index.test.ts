import { describe, expect, it } from 'vitest';
import { apiVersionOf, pathOf, resourceName } from '../kind.ts';
import { ClusterRoleKind } from './cluster-role.ts';
import { ComponentStatusKind } from './component-status.ts';
import { CSIStorageCapacityKind } from './csi-storage-capacity.ts';
import { CustomResourceDefinitionKind } from './custom-resource-definition.ts';
import { EventKind } from './event.ts';
import { EventsEventKind } from './events-event.ts';
import { KINDS } from './index.ts';
import { LimitRangeKind } from './limit-range.ts';
import { PodTemplateKind } from './pod-template.ts';
import { RoleKind } from './role.ts';

const CASES = KINDS.map((kind) => [pathOf(kind), kind] as const);
const EVENTS: unknown[] = [EventKind, EventsEventKind];
/** Kubernetes shows when these were made, not how long ago. */
const DATED: unknown[] = [RoleKind, ClusterRoleKind, CustomResourceDefinitionKind, LimitRangeKind];
/** Kubernetes shows neither. */
const AGELESS: unknown[] = [ComponentStatusKind, PodTemplateKind, CSIStorageCapacityKind];

describe('the list of kinds', () => {
  it('names each resource once', () => {
    const names = KINDS.map((kind) => `${resourceName(kind)} ${kind.version}`);
    expect(names).toEqual([...new Set(names)]);
  });

  it('stores each resource once: other versions of it are views', () => {
    const stored = KINDS.filter((kind) => !kind.storedAs).map(resourceName);
    expect(stored).toEqual([...new Set(stored)]);
  });

  it('gives no two kinds of a group the same name', () => {
    for (const group of new Set(KINDS.map(apiVersionOf))) {
      const names = KINDS.filter((kind) => apiVersionOf(kind) === group).flatMap((kind) => [
        ...new Set([kind.plural, kind.singular || kind.plural, ...(kind.shortNames ?? [])]),
      ]);
      expect(names).toEqual([...new Set(names)]);
    }
  });

  it.each(CASES)('%s is made of conventional parts', (_path, kind) => {
    expect(kind.kind).toMatch(/^[A-Z][A-Za-z]+$/);
    expect(kind.plural).toMatch(/^[a-z]+$/);
    // Source: metrics-server, whose resources are views of others.
    expect(kind.singular).toBe(kind.group === 'metrics.k8s.io' ? '' : kind.kind.toLowerCase());
    expect(kind.schema).toMatch(
      new RegExp(
        `^io\\.k8s\\.(api|(apiextensions-apiserver|kube-aggregator|metrics)\\.pkg\\.apis)\\.[a-z]+\\.${kind.version}\\.${kind.kind}$`,
      ),
    );
    expect(kind.virtual ?? false).toBe(kind.verbs?.length === 1 && kind.verbs[0] === 'create');
    expect(kind.computed ?? false).toBe(kind.verbs?.join() === 'get,list');
  });

  it.each(CASES)('%s shows a name and an age', (_path, kind) => {
    const names = kind.columns.map((column) => column.name);
    expect(names).toEqual([...new Set(names)]);
    const nameAt = kind.columns.findIndex((column) => column.format === 'name');
    // Events are read by time; their names say nothing.
    expect(nameAt).toBe(EVENTS.includes(kind) ? names.length - 1 : 0);
    if (EVENTS.includes(kind)) expect(names[0]).toBe('Last Seen');
    else if (AGELESS.includes(kind)) expect(names).not.toContain('Age');
    else expect(names).toContain(DATED.includes(kind) ? 'Created At' : 'Age');
  });

  it.each(CASES)('%s prints an object with nothing in it', (_path, kind) => {
    const bare = { apiVersion: 'v1', kind: kind.kind, metadata: { name: 'bare' } };
    for (const column of kind.columns) expect(column.cell(structuredClone(bare), 0)).toBeDefined();
  });
});
