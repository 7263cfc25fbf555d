import type { PersistentVolumeClaim } from '../objects.ts';
import { canonicalQuantities } from './quantities.ts';

type Spec = NonNullable<PersistentVolumeClaim['spec']>;

/** Source: Kubernetes API reference, PersistentVolumeClaimSpec. */
export function defaultClaim(claim: PersistentVolumeClaim): void {
  claim.spec ??= {};
  claim.status ??= {};
  claim.status.phase ||= 'Pending';
  defaultClaimSpec(claim.spec);
  canonicalQuantities(claim.status.capacity);
  canonicalQuantities(claim.status.allocatedResources);
}

function defaultClaimSpec(spec: Spec): void {
  spec.volumeMode ??= 'Filesystem';
  spec.resources ??= {};
  canonicalQuantities(spec.resources.requests);
  canonicalQuantities(spec.resources.limits);
}

/** Before the first write. */
export function prepareClaimForCreate(claim: PersistentVolumeClaim): void {
  claim.status = { phase: 'Pending' };
  dropUnknownSource(claim.spec!);
  alignSources(claim.spec!);
}

/** A claim that has no source yet cannot get an unknown one. */
export function prepareClaimForUpdate(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): void {
  if (!old.spec?.dataSource && !old.spec?.dataSourceRef) dropUnknownSource(claim.spec!);
}

/** Clients that only know dataSource expect that it is ignored when it names neither a claim nor a snapshot. */
function dropUnknownSource(spec: Spec): void {
  if (spec.dataSourceRef || !spec.dataSource) return;
  const { kind, apiGroup = '' } = spec.dataSource;
  const isClaim = kind === 'PersistentVolumeClaim' && apiGroup === '';
  const isSnapshot = kind === 'VolumeSnapshot' && apiGroup === 'snapshot.storage.k8s.io';
  if (!isClaim && !isSnapshot) delete spec.dataSource;
}

/** The old and the new name of the source say the same, unless it is in another namespace. */
function alignSources(spec: Spec): void {
  if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = { ...spec.dataSource };
  else if (spec.dataSourceRef && !spec.dataSource && !spec.dataSourceRef.namespace) {
    const { namespace: _none, ...source } = spec.dataSourceRef;
    spec.dataSource = source;
  }
}
