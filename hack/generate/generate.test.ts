import { expect, test } from 'vitest';
import { generate } from './index.ts';

test('the tables and the models of @kubernetes/client-node agree about every field', () => {
  const { faults, schemas, descriptions } = generate();
  expect(faults).toEqual([]);
  expect(schemas.version).toMatch(/^1\.\d+$/);
  expect(descriptions['io.k8s.api.core.v1.PodSpec']?.['nodeName']).toContain('NodeName');
});
