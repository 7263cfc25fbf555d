import { describeLabelSelector } from '#machinery/values/selector.ts';
import { defaultDeployment } from '../defaults/deployment.ts';
import type { Kind } from '../kind.ts';
import type { Deployment } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { checkDeployment } from '../validation/workload.ts';
import { replicasWarnings } from '../warnings/workloads.ts';
import { ageColumn, column, nameColumn, templateColumns, wideColumn } from './columns.ts';
import { scaleByReplicas } from './replicas.ts';
import { strategyOf } from './strategy.ts';

/** Keeps replicas of a pod template running and rolls out changes of it. */
export const DeploymentKind: Kind<Deployment> = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  singular: 'deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.apps.v1.Deployment',
  subresources: {
    status: true,
    scale: scaleByReplicas<Deployment>(),
  },
  strategy: strategyOf<Deployment>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults: defaultDeployment,
    prepareForCreate(deployment) {
      deployment.status = {};
    },
    check: checkDeployment,
    checkUpdate(deployment, old, faults) {
      faults.immutable('spec.selector', deployment.spec?.selector, old.spec?.selector);
    },
    warnings: replicasWarnings,
  }),
  columns: [
    nameColumn,
    column(
      'Ready',
      'string',
      'Pods that are ready, of those wanted.',
      ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    ),
    column(
      'Up-to-date',
      'string',
      'Pods of the current template.',
      (deployment) => deployment.status?.updatedReplicas ?? 0,
    ),
    column(
      'Available',
      'string',
      'Pods that have been ready for long enough.',
      (deployment) => deployment.status?.availableReplicas ?? 0,
    ),
    ageColumn,
    ...templateColumns<Deployment>((deployment) => deployment.spec?.template),
    wideColumn('Selector', 'string', 'Labels of the pods that belong to it.', (deployment) =>
      describeLabelSelector(deployment.spec?.selector),
    ),
  ],
};
