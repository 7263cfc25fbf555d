import type { Deployment, ReplicaSet } from '../objects.ts';
import { defaultPodTemplate } from './pod-spec.ts';

/** Source: Kubernetes API reference, DeploymentSpec. */
export function defaultDeployment(deployment: Deployment): void {
  const { spec } = deployment;
  deployment.status ??= {};
  if (!spec) return;
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
  defaultPodTemplate(spec.template);
}

/** Source: Kubernetes API reference, ReplicaSetSpec. */
export function defaultReplicaSet(set: ReplicaSet): void {
  set.status ??= { replicas: 0 };
  set.status.replicas ??= 0;
  if (!set.spec) return;
  set.spec.replicas ??= 1;
  defaultPodTemplate(set.spec.template);
}
