import { expect, test } from 'vitest';
import type { Kind } from '#api/kind.ts';
import { CSIDriverKind } from '#api/kinds/csi-driver.ts';
import { CSINodeKind } from '#api/kinds/csi-node.ts';
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { PodTemplateKind } from '#api/kinds/pod-template.ts';
import { PriorityClassKind } from '#api/kinds/priority-class.ts';
import { SecretKind } from '#api/kinds/secret.ts';
import { firstGeneration, hasGeneration } from './generation.ts';

test.each<[Kind, object, number | undefined, boolean]>([
  [DeploymentKind as Kind, { spec: {} }, 1, true],
  [PodTemplateKind as Kind, { template: {} }, 1, true],
  [PriorityClassKind as Kind, { value: 1 }, 1, false],
  [CSIDriverKind as Kind, { spec: {} }, undefined, true],
  [CSINodeKind as Kind, { spec: {} }, undefined, false],
  [PodKind as Kind, { spec: {} }, undefined, false],
  [SecretKind as Kind, { data: {} }, undefined, false],
])('the generation of a $kind begins and counts as in Kubernetes', (kind, parts, first, counts) => {
  const object = { apiVersion: 'v1', kind: kind.kind, metadata: { name: 'x' }, ...parts };
  expect(firstGeneration(kind, object)).toBe(first);
  expect(hasGeneration(kind, object)).toBe(counts);
});
