/** Deployments and ReplicaSets. Source: Kubernetes API reference, DeploymentSpec, ReplicaSetSpec. */
import { matchesLabelSelector } from '#machinery/values/selector.ts';
import type { Deployment, LabelSelector, PodTemplateSpec, ReplicaSet } from '../objects.ts';
import { type Faults, NOT_NEGATIVE } from './faults.ts';
import { percentFaults } from './names.ts';
import { checkLabelSelector } from './object-meta.ts';
import { checkPodTemplate } from './pod-spec.ts';

type Strategy = NonNullable<NonNullable<Deployment['spec']>['strategy']>;

export function checkDeployment(deployment: Deployment, faults: Faults): void {
  const spec = deployment.spec!;
  faults.notNegative('spec.replicas', spec.replicas);
  checkOwnTemplate('deployment', spec.selector, spec.template, faults);
  checkStrategy(spec.strategy ?? {}, 'spec.strategy', faults);
  faults.notNegative('spec.minReadySeconds', spec.minReadySeconds);
  faults.notNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit);
  const deadline = spec.progressDeadlineSeconds;
  if (deadline === undefined) return;
  faults.notNegative('spec.progressDeadlineSeconds', deadline);
  if (deadline <= (spec.minReadySeconds ?? 0)) {
    faults.invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds');
  }
}

export function checkReplicaSet(set: ReplicaSet, faults: Faults): void {
  const spec = set.spec!;
  faults.notNegative('spec.replicas', spec.replicas);
  faults.notNegative('spec.minReadySeconds', spec.minReadySeconds);
  checkOwnTemplate('deployment', spec.selector, spec.template, faults);
}

/** The selector must pick the pods made from the template, and these restart for ever. `what` names the owner in messages. */
export function checkOwnTemplate(
  what: 'deployment' | 'statefulset' | 'daemonset',
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  faults: Faults,
): void {
  const labels = template?.metadata?.labels;
  const selects = selectsOwn(what, selector, labels, faults);
  // Who cannot read the selector of a deployment does not look at what it selects.
  if (selects === undefined && what === 'deployment') return;
  if (selects === false) {
    faults.invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`');
  }
  checkPodTemplate(template, 'spec.template', faults);
  const restart = template?.spec?.restartPolicy;
  if (restart && restart !== 'Always') {
    faults.notSupported('spec.template.spec.restartPolicy', restart, ['Always']);
  }
  if (template?.spec?.activeDeadlineSeconds !== undefined) {
    const detail = `activeDeadlineSeconds in ${OWNERS[what]} is not Supported`;
    faults.forbidden('spec.template.spec.activeDeadlineSeconds', detail);
  }
}

/** Deployments and ReplicaSets share their words. */
const OWNERS = { deployment: 'ReplicaSet', statefulset: 'StatefulSet', daemonset: 'DaemonSet' };

/** Whether the selector picks the labels, a missing one picks nothing; undefined when it says nothing sound. */
function selectsOwn(
  what: string,
  selector: LabelSelector | undefined,
  labels: Record<string, string> | undefined,
  faults: Faults,
): boolean | undefined {
  if (!selector) {
    faults.required('spec.selector');
    return false;
  }
  if (!Object.keys(selector.matchLabels ?? {}).length && !selector.matchExpressions?.length) {
    faults.invalid('spec.selector', selector, `empty selector is invalid for ${what}`);
    return true;
  }
  const before = faults.list.length;
  checkLabelSelector(selector, 'spec.selector', faults);
  if (faults.list.length > before) {
    faults.invalid('spec.selector', selector, 'invalid label selector');
    return undefined;
  }
  return matchesLabelSelector(selector, labels);
}

function checkStrategy({ type, rollingUpdate }: Strategy, field: string, faults: Faults): void {
  if (type === 'Recreate') {
    if (!rollingUpdate) return;
    const detail = "may not be specified when strategy `type` is 'Recreate'";
    faults.forbidden(`${field}.rollingUpdate`, detail);
    return;
  }
  if (type !== 'RollingUpdate') {
    faults.notSupported(`${field}.type`, type, ['Recreate', 'RollingUpdate']);
    return;
  }
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate ?? {};
  const at = `${field}.rollingUpdate.maxUnavailable`;
  checkCountOrPercent(maxUnavailable, at, faults);
  checkCountOrPercent(maxSurge, `${field}.rollingUpdate.maxSurge`, faults);
  if (isZero(maxUnavailable) && isZero(maxSurge)) {
    faults.invalid(at, maxUnavailable, 'may not be 0 when `maxSurge` is 0');
  }
  notMoreThanAll(maxUnavailable, at, faults);
}

export function notMoreThanAll(value: number | string, field: string, faults: Faults): void {
  const isShare = typeof value === 'string' && percentFaults(value).length === 0;
  if (isShare && Number.parseInt(value, 10) > 100)
    faults.invalid(field, value, 'must not be greater than 100%');
}

export function checkCountOrPercent(value: number | string, field: string, faults: Faults): void {
  if (typeof value === 'string') faults.invalidFor(field, value, percentFaults(value));
  else if (value < 0) faults.invalid(field, value, NOT_NEGATIVE);
}

export function isZero(value: number | string): boolean {
  return value === 0 || (typeof value === 'string' && /^0+%$/.test(value));
}
