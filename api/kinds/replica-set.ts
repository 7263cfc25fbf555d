import { describeLabelSelector } from '#machinery/values/selector.ts';
import { defaultReplicaSet } from '../defaults/deployment.ts';
import type { Kind } from '../kind.ts';
import type { ReplicaSet } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { checkReplicaSet } from '../validation/workload.ts';
import { replicasWarnings } from '../warnings/workloads.ts';
import { ageColumn, column, nameColumn, templateColumns, wideColumn } from './columns.ts';
import { scaleByReplicas } from './replicas.ts';
import { strategyOf } from './strategy.ts';

/** Keeps a number of pods of one template running. */
export const ReplicaSetKind: Kind<ReplicaSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  singular: 'replicaset',
  shortNames: ['rs'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.apps.v1.ReplicaSet',
  subresources: {
    status: true,
    scale: scaleByReplicas<ReplicaSet>(),
  },
  strategy: strategyOf<ReplicaSet>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults: defaultReplicaSet,
    prepareForCreate(set) {
      set.status = { replicas: 0 };
    },
    check: checkReplicaSet,
    checkUpdate(set, old, faults) {
      faults.immutable('spec.selector', set.spec?.selector, old.spec?.selector);
    },
    warnings: replicasWarnings,
  }),
  columns: [
    nameColumn,
    column('Desired', 'integer', 'Pods wanted.', (set) => set.spec?.replicas ?? 0),
    column('Current', 'integer', 'Pods that exist.', (set) => set.status?.replicas ?? 0),
    column('Ready', 'integer', 'Pods that are ready.', (set) => set.status?.readyReplicas ?? 0),
    ageColumn,
    ...templateColumns<ReplicaSet>((set) => set.spec?.template),
    wideColumn('Selector', 'string', 'Labels of the pods that belong to it.', (set) =>
      describeLabelSelector(set.spec?.selector),
    ),
  ],
  selectableFields: { 'status.replicas': (set) => String(set.status?.replicas ?? 0) },
};
