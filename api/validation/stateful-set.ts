/** StatefulSets, DaemonSets and ControllerRevisions. Source: Kubernetes API reference, StatefulSetSpec, DaemonSetSpec. */
import type { ControllerRevision, DaemonSet, StatefulSet } from '../objects.ts';
import { type Faults, sameData } from './faults.ts';
import { checkCountOrPercent, checkOwnTemplate, isZero, notMoreThanAll } from './workload.ts';

type StatefulSetSpec = NonNullable<StatefulSet['spec']>;
type DaemonSetSpec = NonNullable<DaemonSet['spec']>;

const RETENTIONS = ['Retain', 'Delete'];

export function checkStatefulSet(set: StatefulSet, faults: Faults): void {
  const spec = set.spec!;
  const policy = spec.podManagementPolicy;
  if (!policy) faults.required('spec.podManagementPolicy');
  else if (policy !== 'OrderedReady' && policy !== 'Parallel')
    faults.invalid('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'");
  checkSetUpdateStrategy(spec, faults);
  const { whenDeleted, whenScaled } = spec.persistentVolumeClaimRetentionPolicy ?? {};
  const retention = 'spec.persistentVolumeClaimRetentionPolicy';
  faults.oneOf(`${retention}.whenDeleted`, whenDeleted, RETENTIONS);
  faults.oneOf(`${retention}.whenScaled`, whenScaled, RETENTIONS);
  faults.notNegative('spec.replicas', spec.replicas);
  faults.notNegative('spec.minReadySeconds', spec.minReadySeconds);
  faults.notNegative('spec.ordinals.start', spec.ordinals?.start);
  faults.notNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit);
  checkOwnTemplate('statefulset', spec.selector, spec.template, faults);
}

function checkSetUpdateStrategy({ updateStrategy }: StatefulSetSpec, faults: Faults): void {
  const { type, rollingUpdate } = updateStrategy ?? {};
  if (type === 'RollingUpdate') {
    faults.notNegative('spec.updateStrategy.rollingUpdate.partition', rollingUpdate?.partition);
    const field = 'spec.updateStrategy.rollingUpdate.maxUnavailable';
    const most = rollingUpdate?.maxUnavailable;
    if (most === undefined) return;
    checkCountOrPercent(most, field, faults);
    notMoreThanAll(most, field, faults);
    if (isZero(most)) faults.invalid(field, most, 'cannot be 0');
  } else if (type !== 'OnDelete') {
    faults.invalid('spec.updateStrategy', updateStrategy, "must be 'RollingUpdate' or 'OnDelete'");
  } else if (rollingUpdate) {
    const detail = "only allowed for updateStrategy 'RollingUpdate'";
    faults.invalid('spec.updateStrategy.rollingUpdate', rollingUpdate, detail);
  }
}

const MUTABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;

export function checkStatefulSetUpdate(set: StatefulSet, old: StatefulSet, faults: Faults): void {
  const allowed = Object.fromEntries(MUTABLE.map((name) => [name, set.spec?.[name]]));
  if (sameData({ ...old.spec, ...allowed }, set.spec)) return;
  const names = MUTABLE.slice(0, -1).map((name) => `'${name}'`);
  faults.forbidden(
    'spec',
    `updates to statefulset spec for fields other than ${names.join(', ')} and '${MUTABLE.at(-1)}' are forbidden`,
  );
}

export function checkStatefulSetStatus(set: StatefulSet, faults: Faults): void {
  const { status } = set;
  if (!status) return;
  const counts = ['replicas', 'readyReplicas', 'currentReplicas', 'updatedReplicas'] as const;
  for (const name of [...counts, 'availableReplicas', 'observedGeneration', 'collisionCount'] as const)
    faults.notNegative(`status.${name}`, status[name]);
  const { replicas, readyReplicas = 0, availableReplicas = 0 } = status;
  for (const name of [...counts.slice(1), 'availableReplicas'] as const)
    if ((status[name] ?? 0) > replicas)
      faults.invalid(`status.${name}`, status[name] ?? 0, 'cannot be greater than status.replicas');
  if (availableReplicas > readyReplicas)
    faults.invalid(
      'status.availableReplicas',
      availableReplicas,
      'cannot be greater than status.readyReplicas',
    );
}

export function checkDaemonSet(set: DaemonSet, faults: Faults): void {
  const spec = set.spec!;
  checkOwnTemplate('daemonset', spec.selector, spec.template, faults);
  faults.notNegative('spec.minReadySeconds', spec.minReadySeconds);
  checkDaemonUpdateStrategy(spec, faults);
  faults.notNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit);
}

function checkDaemonUpdateStrategy({ updateStrategy }: DaemonSetSpec, faults: Faults): void {
  const { type, rollingUpdate } = updateStrategy ?? {};
  if (type === 'OnDelete') return;
  if (type !== 'RollingUpdate') {
    faults.notSupported('spec.updateStrategy.type', type, ['RollingUpdate', 'OnDelete']);
    return;
  }
  const field = 'spec.updateStrategy.rollingUpdate';
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate ?? {};
  checkCountOrPercent(maxUnavailable, `${field}.maxUnavailable`, faults);
  checkCountOrPercent(maxSurge, `${field}.maxSurge`, faults);
  notMoreThanAll(maxUnavailable, `${field}.maxUnavailable`, faults);
  notMoreThanAll(maxSurge, `${field}.maxSurge`, faults);
  if (!isZero(maxUnavailable) && !isZero(maxSurge))
    faults.invalid(`${field}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero');
  if (isZero(maxUnavailable) && isZero(maxSurge))
    faults.required(`${field}.maxUnavailable`, 'cannot be 0 when maxSurge is 0');
}

export function checkDaemonSetStatus(set: DaemonSet, faults: Faults): void {
  for (const [name, value] of Object.entries(set.status ?? {}))
    if (typeof value === 'number') faults.notNegative(`status.${name}`, value);
}

export function checkControllerRevision(revision: ControllerRevision, faults: Faults): void {
  if (revision.data === undefined) faults.required('data', 'data is mandatory');
  faults.notNegative('revision', revision.revision);
}
