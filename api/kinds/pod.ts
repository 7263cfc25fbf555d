import { preparePodForCreate, preparePodForStatus } from '../defaults/pod-prepare.ts';
import { defaultPod } from '../defaults/pod-spec.ts';
import type { Kind } from '../kind.ts';
import type { Pod } from '../objects.ts';
import { isPodScheduled, isPodTerminal } from '../semantics/pod-status.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { checkPod } from '../validation/pod-spec.ts';
import { checkPodStatus, checkPodUpdate } from '../validation/pod-update.ts';
import { podStatusWarnings } from '../warnings/network.ts';
import { podWarnings } from '../warnings/workloads.ts';
import { podColumns } from './pod-columns.ts';
import { strategyOf } from './strategy.ts';

/** A group of containers that share a network address and volumes and live on one node. */
export const PodKind: Kind<Pod> = {
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  singular: 'pod',
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Pod',
  subresources: {
    status: true,
    others: [
      { name: 'attach', kind: 'PodAttachOptions', verbs: ['create', 'get'] },
      { name: 'binding', kind: 'Binding', verbs: ['create'] },
      { name: 'ephemeralcontainers', kind: 'Pod', verbs: ['get', 'patch', 'update'] },
      { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
      { name: 'exec', kind: 'PodExecOptions', verbs: ['create', 'get'] },
      { name: 'log', kind: 'Pod', verbs: ['get'] },
      { name: 'portforward', kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
      {
        name: 'proxy',
        kind: 'PodProxyOptions',
        verbs: ['create', 'delete', 'get', 'patch', 'update'],
      },
      { name: 'resize', kind: 'Pod', verbs: ['get', 'patch', 'update'] },
    ],
  },
  strategy: strategyOf<Pod>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults: defaultPod,
    prepareForCreate: preparePodForCreate,
    prepareForStatus: preparePodForStatus,
    check: checkPod,
    checkUpdate: checkPodUpdate,
    checkStatus: (pod, _old, faults) => checkPodStatus(pod, faults),
    graceSeconds(pod, asked) {
      if (!isPodScheduled(pod) || isPodTerminal(pod)) return 0;
      const seconds = asked ?? pod.spec?.terminationGracePeriodSeconds ?? 0;
      return seconds < 0 ? 1 : seconds;
    },
    warnings: podWarnings,
    statusWarnings: podStatusWarnings,
  }),
  columns: podColumns,
  selectableFields: {
    'spec.nodeName': (pod) => pod.spec?.nodeName ?? '',
    'spec.restartPolicy': (pod) => pod.spec?.restartPolicy ?? '',
    'spec.schedulerName': (pod) => pod.spec?.schedulerName ?? '',
    'spec.serviceAccountName': (pod) => pod.spec?.serviceAccountName ?? '',
    'spec.hostNetwork': (pod) => String(pod.spec?.hostNetwork ?? false),
    'status.phase': (pod) => pod.status?.phase ?? '',
    'status.podIP': (pod) => pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? '',
    'status.nominatedNodeName': (pod) => pod.status?.nominatedNodeName ?? '',
  },
  indexedFields: ['spec.nodeName'],
};
