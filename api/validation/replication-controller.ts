/** ReplicationControllers. Source: Kubernetes API reference, ReplicationControllerSpec, ReplicationControllerStatus. */
import type { ReplicationController } from '../objects.ts';
import type { Faults } from './faults.ts';
import { checkPodTemplate } from './pod-spec.ts';

type Status = NonNullable<ReplicationController['status']>;

export function checkReplicationController({ spec = {} }: ReplicationController, faults: Faults): void {
  const { selector = {}, template } = spec;
  faults.notNegative('spec.minReadySeconds', spec.minReadySeconds);
  const wanted = Object.entries(selector);
  if (wanted.length === 0) faults.required('spec.selector');
  faults.notNegative('spec.replicas', spec.replicas);
  const labels = template?.metadata?.labels;
  if (template && wanted.some(([key, value]) => labels?.[key] !== value)) {
    const detail = '`selector` does not match template `labels`';
    faults.invalid('spec.template.metadata.labels', labels, detail);
  }
  checkPodTemplate(template, 'spec.template', faults);
  const { restartPolicy, activeDeadlineSeconds } = template?.spec ?? {};
  if (template && restartPolicy !== 'Always') {
    faults.notSupported('spec.template.spec.restartPolicy', restartPolicy ?? '', ['Always']);
  }
  if (activeDeadlineSeconds !== undefined) {
    const detail = 'activeDeadlineSeconds in ReplicationController is not Supported';
    faults.forbidden('spec.template.spec.activeDeadlineSeconds', detail);
  }
}

const COUNTS = [
  'replicas',
  'fullyLabeledReplicas',
  'readyReplicas',
  'availableReplicas',
  'observedGeneration',
] as const;

/** No part can be more than the whole. */
export function checkReplicationControllerStatus(status: Status | undefined, faults: Faults): void {
  const { replicas = 0, readyReplicas = 0, availableReplicas = 0 } = status ?? {};
  for (const name of COUNTS) faults.notNegative(`status.${name}`, status?.[name]);
  for (const name of ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] as const) {
    const count = status?.[name] ?? 0;
    if (count > replicas) faults.invalid(`status.${name}`, count, 'cannot be greater than status.replicas');
  }
  if (availableReplicas > readyReplicas) {
    faults.invalid('status.availableReplicas', availableReplicas, 'cannot be greater than readyReplicas');
  }
}
