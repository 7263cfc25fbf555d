import {
  defaultVolume,
  prepareVolumeForCreate,
  prepareVolumeForStatus,
} from '../defaults/persistent-volume.ts';
import type { Column, Kind } from '../kind.ts';
import type { PersistentVolume } from '../objects.ts';
import { accessModesText, storageClassOf } from '../semantics/volumes.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { checkVolume, checkVolumeUpdate } from '../validation/persistent-volume.ts';
import { volumeWarnings } from '../warnings/volumes.ts';
import { ageColumn, column, nameColumn, volumeModeColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Storage with a life of its own, that a claim can be bound to. */
export const PersistentVolumeKind: Kind<PersistentVolume> = {
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  singular: 'persistentvolume',
  shortNames: ['pv'],
  inert: true,
  namespaced: false,
  schema: 'io.k8s.api.core.v1.PersistentVolume',
  subresources: { status: true },
  strategy: strategyOf<PersistentVolume>({
    namespaced: false,
    name: isDnsSubdomain,
    defaults: defaultVolume,
    prepareForCreate: prepareVolumeForCreate,
    prepareForStatus: prepareVolumeForStatus,
    check: checkVolume,
    checkUpdate: checkVolumeUpdate,
    warnings: volumeWarnings,
  }),
  columns: volumeColumns(),
};

function volumeColumns(): Column<PersistentVolume>[] {
  return [
    nameColumn,
    column('Capacity', 'string', 'The size.', (volume) => volume.spec?.capacity?.storage ?? '0'),
    column('Access Modes', 'string', 'How it can be mounted.', (volume) =>
      accessModesText(volume.spec?.accessModes),
    ),
    column(
      'Reclaim Policy',
      'string',
      'What becomes of it when its claim goes.',
      (volume) => volume.spec?.persistentVolumeReclaimPolicy ?? '',
    ),
    column('Status', 'string', 'Whether it is bound to a claim.', ({ metadata, status }) =>
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    column('Claim', 'string', 'The claim it is bound to.', ({ spec }) =>
      spec?.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '',
    ),
    column('StorageClass', 'string', 'The class of the volume.', storageClassOf),
    column(
      'VolumeAttributesClass',
      'string',
      'The class of attributes that can change.',
      (volume) => volume.spec?.volumeAttributesClassName ?? '<unset>',
    ),
    column('Reason', 'string', 'Why it is in its state.', (volume) => volume.status?.reason ?? ''),
    ageColumn,
    volumeModeColumn<PersistentVolume>((volume) => volume.spec?.volumeMode),
  ];
}
