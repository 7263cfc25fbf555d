import {
  defaultClaim,
  prepareClaimForCreate,
  prepareClaimForUpdate,
} from '../defaults/persistent-volume-claim.ts';
import type { Column, Kind } from '../kind.ts';
import type { PersistentVolumeClaim } from '../objects.ts';
import { accessModesText, storageClassOf } from '../semantics/volumes.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { checkClaim, checkClaimStatus, checkClaimUpdate } from '../validation/persistent-volume-claim.ts';
import { claimWarnings } from '../warnings/volumes.ts';
import { ageColumn, column, nameColumn, volumeModeColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** A wish for a volume, and the right to it once it is bound. */
export const PersistentVolumeClaimKind: Kind<PersistentVolumeClaim> = {
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  singular: 'persistentvolumeclaim',
  shortNames: ['pvc'],
  inert: true,
  namespaced: true,
  schema: 'io.k8s.api.core.v1.PersistentVolumeClaim',
  subresources: { status: true },
  strategy: strategyOf<PersistentVolumeClaim>({
    namespaced: true,
    name: isDnsSubdomain,
    defaults: defaultClaim,
    prepareForCreate: prepareClaimForCreate,
    prepareForUpdate: prepareClaimForUpdate,
    check: checkClaim,
    checkUpdate: checkClaimUpdate,
    checkStatus: (claim, _old, faults) => checkClaimStatus(claim.status, faults),
    warnings: claimWarnings,
  }),
  columns: claimColumns(),
};

function claimColumns(): Column<PersistentVolumeClaim>[] {
  /** What it got: nothing until a volume is named. */
  const bound = ({ spec, status }: PersistentVolumeClaim) => (spec?.volumeName ? status : undefined);
  return [
    nameColumn,
    column('Status', 'string', 'Whether it is bound to a volume.', ({ metadata, status }) =>
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    column('Volume', 'string', 'The volume it is bound to.', (claim) => claim.spec?.volumeName ?? ''),
    column('Capacity', 'string', 'The size of that volume.', (claim) =>
      claim.spec?.volumeName ? (bound(claim)?.capacity?.storage ?? '0') : '',
    ),
    column('Access Modes', 'string', 'How that volume can be mounted.', (claim) =>
      accessModesText(bound(claim)?.accessModes),
    ),
    column('StorageClass', 'string', 'The class of the volume.', storageClassOf),
    column(
      'VolumeAttributesClass',
      'string',
      'The class of attributes that can change.',
      (claim) => claim.spec?.volumeAttributesClassName ?? '<unset>',
    ),
    ageColumn,
    volumeModeColumn<PersistentVolumeClaim>((claim) => claim.spec?.volumeMode),
  ];
}
