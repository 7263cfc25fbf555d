/** What nodes and pods use now, as `kubectl top` asks for it. Source: Kubernetes, metrics.k8s.io/v1beta1. */
import type { Kind, Verb } from '../kind.ts';
import type { NodeMetrics, PodMetrics } from '../objects.ts';
import { ageColumn, column, nameColumn } from './columns.ts';

const COMMON = {
  group: 'metrics.k8s.io',
  version: 'v1beta1',
  singular: '',
  verbs: ['get', 'list'] as Verb[],
  computed: true,
  strategy: { validate: () => [] },
} as const;

/** What a machine uses, of everything that runs there. */
export const NodeMetricsKind: Kind<NodeMetrics> = {
  ...COMMON,
  kind: 'NodeMetrics',
  plural: 'nodes',
  namespaced: false,
  schema: 'io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetrics',
  columns: [
    nameColumn,
    column('Cpu', 'string', 'Cores in use.', ({ usage }) => usage?.['cpu'] ?? ''),
    column('Memory', 'string', 'Memory in use.', ({ usage }) => usage?.['memory'] ?? ''),
    column('Window', 'string', 'How long it was looked at.', ({ window }) => window ?? ''),
    ageColumn,
  ],
};

/** What the containers of a pod use. */
export const PodMetricsKind: Kind<PodMetrics> = {
  ...COMMON,
  kind: 'PodMetrics',
  plural: 'pods',
  namespaced: true,
  schema: 'io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics',
  columns: [
    nameColumn,
    column(
      'Containers',
      'integer',
      'How many of its containers run.',
      ({ containers }) => containers?.length ?? 0,
    ),
    column('Window', 'string', 'How long they were looked at.', ({ window }) => window ?? ''),
    ageColumn,
  ],
};
