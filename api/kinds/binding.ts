import type { Kind } from '../kind.ts';
import type { Binding } from '../objects.ts';
import { ageColumn, nameColumn } from './columns.ts';

/** Puts a pod on a node: the older form of pods/binding, which schedulers still use. */
export const BindingKind: Kind<Binding> = {
  group: '',
  version: 'v1',
  kind: 'Binding',
  plural: 'bindings',
  singular: 'binding',
  namespaced: true,
  verbs: ['create'],
  virtual: true,
  schema: 'io.k8s.api.core.v1.Binding',
  strategy: { validate: () => [] },
  columns: [nameColumn, ageColumn],
};
