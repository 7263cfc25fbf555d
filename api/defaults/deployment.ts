import type { Deployment, LabelSelector, PodTemplateSpec, ReplicaSet } from '../objects.ts';
import { defaultPodTemplate } from './pod-spec.ts';

/** Source: Kubernetes API reference, DeploymentSpec. */
export function defaultDeployment(deployment: Deployment): void {
  deployment.status ??= {};
  deployment.spec ??= emptySpec();
  const { spec } = deployment;
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
  spec.strategy ??= {};
  spec.strategy.type ||= 'RollingUpdate';
  if (spec.strategy.type === 'RollingUpdate') {
    spec.strategy.rollingUpdate ??= {};
    spec.strategy.rollingUpdate.maxUnavailable ??= '25%';
    spec.strategy.rollingUpdate.maxSurge ??= '25%';
  }
  spec.template ??= {};
  defaultPodTemplate(spec.template);
}

/** Source: Kubernetes API reference, ReplicaSetSpec. */
export function defaultReplicaSet(set: ReplicaSet): void {
  set.status ??= { replicas: 0 };
  set.status.replicas ??= 0;
  set.spec ??= emptySpec();
  set.spec.replicas ??= 1;
  set.spec.template ??= {};
  defaultPodTemplate(set.spec.template);
}

/** What is missing is filled in and then found wanting by validation, field by field. */
function emptySpec(): { selector: LabelSelector; template: PodTemplateSpec } {
  return {} as { selector: LabelSelector; template: PodTemplateSpec };
}
