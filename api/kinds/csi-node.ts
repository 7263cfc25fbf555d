import type { Kind } from '../kind.ts';
import type { CSINode } from '../objects.ts';
import { checkCsiNode, checkCsiNodeUpdate } from '../validation/csi.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** The storage drivers on a node. */
export const CSINodeKind: Kind<CSINode> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  plural: 'csinodes',
  singular: 'csinode',
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.storage.v1.CSINode',
  strategy: strategyOf<CSINode>({
    namespaced: false,
    name: isDnsSubdomain,
    defaults(node) {
      node.spec ??= { drivers: [] };
    },
    check: checkCsiNode,
    checkUpdate: checkCsiNodeUpdate,
  }),
  columns: [
    nameColumn,
    column('Drivers', 'integer', 'How many drivers there are.', ({ spec }) => spec?.drivers?.length ?? 0),
    ageColumn,
  ],
};
