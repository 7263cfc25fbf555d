import { describeLabelSelector } from '#machinery/values/selector.ts';
import { defaultDaemonSet } from '../defaults/stateful-set.ts';
import type { Kind } from '../kind.ts';
import type { DaemonSet } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { checkDaemonSet, checkDaemonSetStatus } from '../validation/stateful-set.ts';
import { daemonSetWarnings } from '../warnings/workloads.ts';
import { ageColumn, column, labelsText, nameColumn, templateColumns, wideColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** A pod on every node that fits. */
export const DaemonSetKind: Kind<DaemonSet> = {
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  singular: 'daemonset',
  shortNames: ['ds'],
  categories: ['all'],
  inert: true,
  namespaced: true,
  schema: 'io.k8s.api.apps.v1.DaemonSet',
  subresources: { status: true },
  strategy: strategyOf<DaemonSet>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults: defaultDaemonSet,
    prepareForCreate(set) {
      set.status = {} as NonNullable<DaemonSet['status']>;
    },
    check: checkDaemonSet,
    checkUpdate(set, old, faults) {
      faults.immutable('spec.selector', set.spec?.selector, old.spec?.selector);
    },
    checkStatus: (set, _old, faults) => checkDaemonSetStatus(set, faults),
    warnings: daemonSetWarnings,
  }),
  columns: [
    nameColumn,
    column(
      'Desired',
      'integer',
      'Nodes that should run the pod.',
      ({ status }) => status?.desiredNumberScheduled ?? 0,
    ),
    column('Current', 'integer', 'Nodes that have it.', ({ status }) => status?.currentNumberScheduled ?? 0),
    column('Ready', 'integer', 'Nodes where it is ready.', ({ status }) => status?.numberReady ?? 0),
    column(
      'Up-to-date',
      'integer',
      'Nodes with the current template.',
      ({ status }) => status?.updatedNumberScheduled ?? 0,
    ),
    column(
      'Available',
      'integer',
      'Nodes where it has been ready for long enough.',
      ({ status }) => status?.numberAvailable ?? 0,
    ),
    column('Node Selector', 'string', 'Labels of the nodes it is for.', ({ spec }) =>
      labelsText(spec?.template?.spec?.nodeSelector),
    ),
    ageColumn,
    ...templateColumns<DaemonSet>((set) => set.spec?.template),
    wideColumn('Selector', 'string', 'Labels of the pods that belong to it.', (set) =>
      describeLabelSelector(set.spec?.selector),
    ),
  ],
};
