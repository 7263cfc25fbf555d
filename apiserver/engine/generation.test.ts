import { expect, test } from 'vitest';
import type { Kind } from '#api/kind.ts';
import { CSIDriverKind } from '#api/kinds/csi-driver.ts';
import { CSINodeKind } from '#api/kinds/csi-node.ts';
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { PodTemplateKind } from '#api/kinds/pod-template.ts';
import { PriorityClassKind } from '#api/kinds/priority-class.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import { SecretKind } from '#api/kinds/secret.ts';
import { firstGeneration, nextGeneration } from './generation.ts';

const annotated = { metadata: { annotations: { a: 'b' } } };
const labelled = { metadata: { labels: { a: 'b' } } };

test.each<[Kind, number | undefined, object, number | undefined]>([
  [DeploymentKind as Kind, 1, { spec: { replicas: 2 } }, 2],
  [DeploymentKind as Kind, 1, annotated, 2],
  [DeploymentKind as Kind, 1, { ...labelled, status: { replicas: 2 } }, 1],
  [ReplicaSetKind as Kind, 1, annotated, 1],
  [EndpointSliceKind as Kind, 1, { endpoints: [] }, 2],
  [EndpointSliceKind as Kind, 1, labelled, 2],
  [EndpointSliceKind as Kind, 1, annotated, 1],
  [PodTemplateKind as Kind, 1, { template: {} }, 2],
  [PodKind as Kind, 1, { spec: {} }, 2],
  [PriorityClassKind as Kind, 1, { value: 2 }, 1],
  [CSIDriverKind as Kind, undefined, { spec: {} }, 1],
  [CSINodeKind as Kind, undefined, { spec: {} }, undefined],
  [SecretKind as Kind, undefined, { data: {} }, undefined],
])('the generation of a $kind begins and counts as in Kubernetes', (kind, first, change, next) => {
  const generation = firstGeneration(kind);
  expect(generation).toBe(first);
  const old = { apiVersion: 'v1', kind: kind.kind, metadata: { name: 'x', generation } };
  const changed = { ...old, ...change, metadata: { ...old.metadata, ...(change as typeof old).metadata } };
  expect(nextGeneration(kind, changed, old)).toBe(next);
});
