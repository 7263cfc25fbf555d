import type { Kind } from '../kind.ts';
import type { ControllerRevision } from '../objects.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { checkControllerRevision } from '../validation/stateful-set.ts';
import { ageColumn, column, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** What a StatefulSet or DaemonSet looked like, to roll back to. */
export const ControllerRevisionKind: Kind<ControllerRevision> = {
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  singular: 'controllerrevision',
  namespaced: true,
  schema: 'io.k8s.api.apps.v1.ControllerRevision',
  strategy: strategyOf<ControllerRevision>({
    namespaced: true,
    name: isDnsSubdomain,
    check: checkControllerRevision,
    checkUpdate(revision, old, faults) {
      faults.immutable('data', revision.data, old.data);
    },
  }),
  columns: [
    nameColumn,
    column('Controller', 'string', 'Whose revision it is.', controllerText),
    column('Revision', 'string', 'Its number: higher is newer.', (revision) => revision.revision ?? 0),
    ageColumn,
  ],
};

/** `statefulset.apps/web`. */
function controllerText({ metadata }: ControllerRevision): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller);
  if (!owner) return '<none>';
  const group = owner.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0]}` : '';
  return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
}
