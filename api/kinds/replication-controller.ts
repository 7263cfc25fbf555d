import { defaultPodTemplate } from '../defaults/pod-spec.ts';
import type { Kind } from '../kind.ts';
import type { ReplicationController } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import {
  checkReplicationController,
  checkReplicationControllerStatus,
} from '../validation/replication-controller.ts';
import { replicasWarnings } from '../warnings/workloads.ts';
import { ageColumn, column, labelsText, nameColumn, templateColumns, wideColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Keeps a number of pods of one template running: what there was before ReplicaSets. */
export const ReplicationControllerKind: Kind<ReplicationController> = {
  group: '',
  version: 'v1',
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  singular: 'replicationcontroller',
  shortNames: ['rc'],
  categories: ['all'],
  inert: true,
  namespaced: true,
  schema: 'io.k8s.api.core.v1.ReplicationController',
  subresources: {
    status: true,
    scale: {
      replicas: (controller) => controller.spec?.replicas ?? 0,
      setReplicas(controller, replicas) {
        controller.spec!.replicas = replicas;
      },
      statusReplicas: (controller) => controller.status?.replicas ?? 0,
      selector: ({ spec }) =>
        Object.entries(spec?.selector ?? {})
          .map(([key, value]) => `${key}=${value}`)
          .sort()
          .join(','),
    },
  },
  strategy: strategyOf<ReplicationController>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults: defaultReplicationController,
    prepareForCreate(controller) {
      controller.status = { replicas: 0 };
    },
    check: checkReplicationController,
    checkStatus: (controller, _old, faults) => checkReplicationControllerStatus(controller.status, faults),
    warnings: replicasWarnings,
  }),
  columns: [
    nameColumn,
    column('Desired', 'integer', 'Pods wanted.', (controller) => controller.spec?.replicas ?? 0),
    column('Current', 'integer', 'Pods that exist.', (controller) => controller.status?.replicas ?? 0),
    column('Ready', 'integer', 'Pods that are ready.', (controller) => controller.status?.readyReplicas ?? 0),
    ageColumn,
    ...templateColumns<ReplicationController>((controller) => controller.spec?.template),
    wideColumn('Selector', 'string', 'Labels of the pods that belong to it.', (controller) =>
      labelsText(controller.spec?.selector),
    ),
  ],
  selectableFields: { 'status.replicas': (controller) => String(controller.status?.replicas ?? 0) },
};

/** What the template says of its pods goes for the controller too. Source: Kubernetes API reference, ReplicationControllerSpec. */
function defaultReplicationController(controller: ReplicationController): void {
  controller.spec ??= {};
  controller.status ??= { replicas: 0 };
  controller.status.replicas ??= 0;
  const { spec, metadata } = controller;
  spec.replicas ??= 1;
  if (!spec.template) return;
  defaultPodTemplate(spec.template);
  const labels = spec.template.metadata?.labels;
  if (!labels) return;
  if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
  if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
}
