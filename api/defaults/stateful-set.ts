import type { DaemonSet, LabelSelector, PodTemplateSpec, StatefulSet } from '../objects.ts';
import { defaultPodTemplate } from './pod-spec.ts';

/** What is missing is filled in and then found wanting by validation, field by field. */
function emptySpec(): { selector: LabelSelector; template: PodTemplateSpec } {
  return {} as { selector: LabelSelector; template: PodTemplateSpec };
}

/** Source: Kubernetes API reference, StatefulSetSpec. */
export function defaultStatefulSet(set: StatefulSet): void {
  set.status ??= { replicas: 0 };
  set.status.replicas ??= 0;
  set.status.availableReplicas ??= 0;
  set.spec ??= { ...emptySpec(), serviceName: '' };
  const { spec } = set;
  spec.replicas ??= 1;
  spec.serviceName ??= '';
  spec.podManagementPolicy ||= 'OrderedReady';
  spec.revisionHistoryLimit ??= 10;
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= 'RollingUpdate';
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {};
    spec.updateStrategy.rollingUpdate.partition ??= 0;
  }
  spec.persistentVolumeClaimRetentionPolicy ??= {};
  spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain';
  spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain';
  spec.template ??= {};
  defaultPodTemplate(spec.template);
}

/** Source: Kubernetes API reference, DaemonSetSpec. */
export function defaultDaemonSet(set: DaemonSet): void {
  set.status ??= {} as NonNullable<DaemonSet['status']>;
  set.status.currentNumberScheduled ??= 0;
  set.status.desiredNumberScheduled ??= 0;
  set.status.numberMisscheduled ??= 0;
  set.status.numberReady ??= 0;
  set.spec ??= emptySpec();
  const { spec } = set;
  spec.revisionHistoryLimit ??= 10;
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= 'RollingUpdate';
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {};
    spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
    spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
  }
  spec.template ??= {};
  defaultPodTemplate(spec.template);
}
