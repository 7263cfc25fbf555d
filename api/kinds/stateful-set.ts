import { defaultStatefulSet } from '../defaults/stateful-set.ts';
import type { Kind } from '../kind.ts';
import type { StatefulSet } from '../objects.ts';
import { isDnsLabel } from '../validation/names.ts';
import {
  checkStatefulSet,
  checkStatefulSetStatus,
  checkStatefulSetUpdate,
} from '../validation/stateful-set.ts';
import { statefulSetWarnings } from '../warnings/workloads.ts';
import { ageColumn, column, nameColumn, templateColumns } from './columns.ts';
import { scaleByReplicas } from './replicas.ts';
import { strategyOf } from './strategy.ts';

/** Pods with names and volumes of their own, made and replaced in order. */
export const StatefulSetKind: Kind<StatefulSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  singular: 'statefulset',
  shortNames: ['sts'],
  categories: ['all'],
  inert: true,
  namespaced: true,
  schema: 'io.k8s.api.apps.v1.StatefulSet',
  subresources: {
    status: true,
    scale: scaleByReplicas<StatefulSet>(),
  },
  strategy: strategyOf<StatefulSet>({
    namespaced: true,
    name: isDnsLabel,
    defaults: defaultStatefulSet,
    prepareForCreate(set) {
      set.status = { replicas: 0 };
    },
    check: checkStatefulSet,
    checkUpdate: checkStatefulSetUpdate,
    checkStatus: (set, _old, faults) => checkStatefulSetStatus(set, faults),
    warnings: statefulSetWarnings,
  }),
  columns: [
    nameColumn,
    column(
      'Ready',
      'string',
      'Pods that are ready, of those wanted.',
      ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    ),
    ageColumn,
    ...templateColumns<StatefulSet>((set) => set.spec?.template),
  ],
};
