import type { Write } from '../kind.ts';
import type { PersistentVolume } from '../objects.ts';
import { canonicalQuantities } from './quantities.ts';

type Spec = NonNullable<PersistentVolume['spec']>;

/** Source: Kubernetes API reference, PersistentVolumeSpec. */
export function defaultVolume(volume: PersistentVolume): void {
  volume.spec ??= {};
  volume.status ??= {};
  volume.status.phase ||= 'Pending';
  volume.spec.persistentVolumeReclaimPolicy ||= 'Retain';
  volume.spec.volumeMode ??= 'Filesystem';
  defaultVolumeSpec(volume.spec);
}

/** What volumes of attachments get too. */
export function defaultVolumeSpec(spec: Spec): void {
  canonicalQuantities(spec.capacity);
  const { hostPath, rbd, iscsi, azureDisk, scaleIO } = spec;
  if (hostPath) hostPath.type ??= '';
  if (rbd) {
    rbd.pool ||= 'rbd';
    rbd.user ||= 'admin';
    rbd.keyring ||= '/etc/ceph/keyring';
  }
  if (iscsi) iscsi.iscsiInterface ||= 'default';
  if (azureDisk) {
    azureDisk.cachingMode ??= 'ReadWrite';
    azureDisk.kind ??= 'Shared';
    azureDisk.fsType ??= 'ext4';
    azureDisk.readOnly ??= false;
  }
  if (scaleIO) {
    scaleIO.storageMode ||= 'ThinProvisioned';
    scaleIO.fsType ||= 'xfs';
  }
}

/** Before the first write: the first phase begins when the volume is made. */
export function prepareVolumeForCreate(volume: PersistentVolume): void {
  volume.status = { phase: 'Pending', lastPhaseTransitionTime: volume.metadata.creationTimestamp };
}

/** Before a write to the status: a phase begins now, unless its writer knows better. */
export function prepareVolumeForStatus(volume: PersistentVolume, old: PersistentVolume, write: Write): void {
  const { phase, lastPhaseTransitionTime: before } = old.status ?? {};
  volume.status ??= {};
  const { status } = volume;
  if (status.phase === phase) status.lastPhaseTransitionTime ??= before;
  else if (!status.lastPhaseTransitionTime || status.lastPhaseTransitionTime === before)
    status.lastPhaseTransitionTime = write.now;
}
