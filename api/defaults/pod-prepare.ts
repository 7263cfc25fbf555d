/** What the server makes of a pod before it is kept. Source: Kubernetes, pkg/registry/core/pod/strategy.go. */
import type * as k8s from '@kubernetes/client-node';
import type { Write } from '../kind.ts';
import type { Container, Pod, PodCondition, PodSpec, Wire } from '../objects.ts';
import { qosClassOf } from '../semantics/qos.ts';
import { APP_ARMOR, APP_ARMOR_TEXT } from '../warnings/pod-spec.ts';

const GATED: PodCondition = {
  type: 'PodScheduled',
  status: 'False',
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
};

/** Before the first write. */
export function preparePodForCreate(pod: Pod, write?: Write): void {
  pod.status = { phase: 'Pending', qosClass: qosClassOf(pod.spec ?? { containers: [] }) };
  if (!pod.spec) return;
  if (pod.spec.schedulingGates?.length) pod.status.conditions = [GATED];
  selectByOwnLabels(pod.spec, pod.metadata.labels ?? {});
  if (pod.spec.os?.name !== 'windows') fillAppArmor(pod.spec, pod.metadata.annotations ?? {}, write);
}

/** Before a write to the status: agents of old drop what never changes. */
export function preparePodForStatus(pod: Pod, old: Pod): void {
  const { qosClass } = old.status ?? {};
  if (qosClass !== undefined && !pod.status?.qosClass) pod.status = { ...pod.status, qosClass };
}

type Term = Wire<k8s.V1PodAffinityTerm>;

/** `matchLabelKeys`: pods with the same (or not the same) values as this one, written out. */
function selectByOwnLabels({ affinity }: PodSpec, labels: Record<string, string>): void {
  for (const { matchLabelKeys, mismatchLabelKeys, labelSelector } of termsOf(affinity)) {
    if (!labelSelector) continue;
    const written = [
      ...requirements(matchLabelKeys, 'In', labels),
      ...requirements(mismatchLabelKeys, 'NotIn', labels),
    ];
    if (written.length > 0)
      labelSelector.matchExpressions = [...(labelSelector.matchExpressions ?? []), ...written];
  }
}

function termsOf(affinity: PodSpec['affinity']): Term[] {
  return [affinity?.podAffinity, affinity?.podAntiAffinity].flatMap((kind) => [
    // It is prepared before anybody has seen that it is whole.
    ...(kind?.preferredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(({ podAffinityTerm }) =>
      podAffinityTerm ? [podAffinityTerm] : [],
    ),
    ...(kind?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
  ]);
}

function requirements(keys: string[] | undefined, operator: string, labels: Record<string, string>) {
  return (keys ?? []).flatMap((key) =>
    Object.hasOwn(labels, key) ? [{ key, operator, values: [labels[key]!] }] : [],
  );
}

type Profile = Wire<k8s.V1AppArmorProfile>;

/** Profiles that are still given as annotations become fields. */
function fillAppArmor(spec: PodSpec, annotations: Record<string, string>, write: Write | undefined): void {
  const ofPod = spec.securityContext?.appArmorProfile;
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    for (const container of (spec[list] ?? []) as Container[]) {
      const key = `${APP_ARMOR}${container.name}`;
      const annotation = annotations[key];
      if (annotation === undefined || container.securityContext?.appArmorProfile) continue;
      const profile = profileOf(annotation);
      if (profile && isSame(profile, ofPod)) continue;
      if (profile) container.securityContext = { ...container.securityContext, appArmorProfile: profile };
      write?.warn?.(`metadata.annotations[${key}]: ${APP_ARMOR_TEXT}`);
    }
}

function isSame(a: Profile, b: Profile | undefined): boolean {
  return a.type === b?.type && a.localhostProfile === b.localhostProfile;
}

const LOCALHOST = 'localhost/';

function profileOf(annotation: string): Profile | undefined {
  if (annotation === 'unconfined') return { type: 'Unconfined' };
  if (annotation === 'runtime/default') return { type: 'RuntimeDefault' };
  const localhostProfile = annotation.startsWith(LOCALHOST) ? annotation.slice(LOCALHOST.length) : '';
  return localhostProfile ? { type: 'Localhost', localhostProfile } : undefined;
}
