import { describeLabelSelector } from '#machinery/values/selector.ts';
import { defaultDaemonSet } from '../defaults/stateful-set.ts';
import type { Kind } from '../kind.ts';
import type { DaemonSet } from '../objects.ts';
import { sameData } from '../validation/faults.ts';
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
      setTemplateGeneration(set, Math.max(1, templateGenerationOf(set)));
    },
    prepareForUpdate(set, old) {
      const changed = !sameData(set.spec?.template, old.spec?.template);
      setTemplateGeneration(set, templateGenerationOf(old) + (changed ? 1 : 0));
    },
    prepareForStatus: (set, old) => setTemplateGeneration(set, templateGenerationOf(old)),
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

/** Before apps/v1 it was a field. Source: Kubernetes, apps/v1 conversion, daemonset strategy. */
const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

function templateGenerationOf({ metadata }: DaemonSet): number {
  const text = metadata.annotations?.[TEMPLATE_GENERATION] ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

function setTemplateGeneration({ metadata }: DaemonSet, generation: number): void {
  metadata.annotations = { ...metadata.annotations, [TEMPLATE_GENERATION]: String(generation) };
}
