import type { Kind } from '../kind.ts';
import type { ComponentStatus } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Whether a part of the control plane is well. */
export const ComponentStatusKind: Kind<ComponentStatus> = {
  group: '',
  version: 'v1',
  kind: 'ComponentStatus',
  plural: 'componentstatuses',
  singular: 'componentstatus',
  shortNames: ['cs'],
  deprecation: 'v1 ComponentStatus is deprecated in v1.19+',
  computed: true,
  verbs: ['get', 'list'],
  namespaced: false,
  schema: 'io.k8s.api.core.v1.ComponentStatus',
  strategy: strategyOf<ComponentStatus>({ namespaced: false, name: isDnsSubdomain }),
  columns: [
    nameColumn,
    column('Status', 'string', 'Healthy or not.', (component) => {
      const health = healthOf(component);
      if (!health) return 'Unknown';
      return health.status === 'True' ? 'Healthy' : 'Unhealthy';
    }),
    column('Message', 'string', 'What it says.', (component) => healthOf(component)?.message ?? ''),
    column('Error', 'string', 'Why it could not be asked.', (component) => healthOf(component)?.error ?? ''),
  ],
};

function healthOf({ conditions }: ComponentStatus) {
  return conditions?.find(({ type }) => type === 'Healthy');
}
