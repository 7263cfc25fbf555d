/** Which parts of a pod may change. Source: Kubernetes documentation, "Pod update and replacement". */
import type { Container, Pod, PodSpec } from '../objects.ts';
import type { NodeSelectorTerm } from '../semantics/node-affinity.ts';
import { type Faults, sameData } from './faults.ts';
import { checkIp } from './pod-spec.ts';

type Labels = Record<string, string> | undefined;

const MUTABLE = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',');

export function checkPodUpdate(pod: Pod, old: Pod, faults: Faults): void {
  const spec = pod.spec ?? { containers: [] };
  const before = old.spec ?? { containers: [] };
  if (!checkSameContainers(spec.containers, before.containers, 'spec.containers', faults)) return;
  if (!checkSameContainers(spec.initContainers, before.initContainers, 'spec.initContainers', faults)) return;
  checkDeadline(spec, before, faults);
  checkAddedTolerations(spec, before, faults);
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    if (before.schedulingGates?.some((gate) => gate.name === name)) continue;
    const detail = `only deletion is allowed, but found new scheduling gate '${name}'`;
    faults.forbidden(`spec.schedulingGates[${index}].name`, detail);
  }
  if (before.schedulingGates?.length) {
    checkNodeSelectorAdditions(spec.nodeSelector, before.nodeSelector, faults);
    checkNodeAffinityAdditions(nodeAffinityOf(spec), nodeAffinityOf(before), faults);
  }
  const changed = changedFields(spec, before);
  if (changed.length === 0) return;
  const list = changed.map((name) => `spec.${name}`).join(', ');
  faults.forbidden('spec', `pod updates may not change fields other than ${MUTABLE}\nchanged: ${list}`);
}

/** Top-level fields of the spec that differ once everything that may change is put back. */
function changedFields(spec: PodSpec, before: PodSpec): string[] {
  const munged: PodSpec = {
    ...spec,
    containers: withImages(spec.containers, before.containers)!,
    initContainers: withImages(spec.initContainers, before.initContainers),
    activeDeadlineSeconds: before.activeDeadlineSeconds,
    schedulingGates: before.schedulingGates,
    tolerations: before.tolerations,
  };
  if ((before.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1) {
    munged.terminationGracePeriodSeconds = before.terminationGracePeriodSeconds;
  }
  // A pod that is still held back may be steered to other nodes; how is looked at before.
  if (before.schedulingGates?.length) {
    munged.nodeSelector = before.nodeSelector;
    const { nodeAffinity: _steered, ...others } = spec.affinity ?? {};
    const nodeAffinity = nodeAffinityOf(before);
    munged.affinity = nodeAffinity ? { ...others, nodeAffinity } : others;
  }
  const names = new Set([...Object.keys(munged), ...Object.keys(before)]) as Set<keyof PodSpec>;
  return [...names].filter((name) => !sameData(munged[name], before[name]));
}

function withImages(
  containers: Container[] | undefined,
  before: Container[] | undefined,
): Container[] | undefined {
  return containers?.map((container, index) => ({ ...container, image: before![index]!.image }));
}

function checkNodeSelectorAdditions(now: Labels, before: Labels, faults: Faults): void {
  if (Object.entries(before ?? {}).every(([key, value]) => now?.[key] === value)) return;
  const detail = 'only additions to spec.nodeSelector are allowed (no mutations or deletions)';
  faults.invalid('spec.nodeSelector', now, detail);
}

type NodeAffinity = NonNullable<PodSpec['affinity']>['nodeAffinity'];

function nodeAffinityOf(spec: PodSpec): NodeAffinity {
  return spec.affinity?.nodeAffinity;
}

/** Whoever asked for nodes keeps what was asked: each term may ask for more, and there are no other terms. */
function checkNodeAffinityAdditions(now: NodeAffinity, before: NodeAffinity, faults: Faults): void {
  const [terms, old] = [now, before].map(
    (affinity) => affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [],
  ) as [NodeSelectorTerm[], NodeSelectorTerm[]];
  if (old.length === 0 || sameData(now, before)) return;
  const field = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms';
  if (terms.length !== old.length) {
    const detail = 'no additions/deletions to non-empty NodeSelectorTerms list are allowed';
    faults.invalid(field, terms, detail);
    return;
  }
  for (const [index, term] of terms.entries())
    if (!onlyAsksForMore(term, old[index]!))
      faults.invalid(`${field}[${index}]`, term, 'only additions are allowed (no mutations or deletions)');
}

/** A term that asks for nothing matches no node, and must not begin to. */
function onlyAsksForMore(term: NodeSelectorTerm, old: NodeSelectorTerm): boolean {
  const parts = ['matchExpressions', 'matchFields'] as const;
  const isEmpty = (each: NodeSelectorTerm) => parts.every((part) => !each[part]?.length);
  if (isEmpty(old)) return isEmpty(term);
  return parts.every((part) => sameData(term[part]?.slice(0, old[part]?.length ?? 0), old[part]));
}

function checkSameContainers(
  now: Container[] | undefined,
  before: Container[] | undefined,
  field: string,
  faults: Faults,
): boolean {
  if ((now ?? []).length === (before ?? []).length) return true;
  faults.forbidden(field, 'pod updates may not add or remove containers');
  return false;
}

function checkDeadline(spec: PodSpec, before: PodSpec, faults: Faults): void {
  const field = 'spec.activeDeadlineSeconds';
  const now = spec.activeDeadlineSeconds;
  const then = before.activeDeadlineSeconds;
  if (now === undefined) {
    if (then !== undefined)
      faults.invalid(field, null, 'must not update from a positive integer to nil value');
  } else if (then !== undefined && then < now) {
    faults.invalid(field, now, 'must be less than or equal to previous value');
  }
}

function checkAddedTolerations(spec: PodSpec, before: PodSpec, faults: Faults): void {
  for (const old of before.tolerations ?? []) {
    const kept = (spec.tolerations ?? []).some((toleration) =>
      sameData({ ...toleration, tolerationSeconds: 0 }, { ...old, tolerationSeconds: 0 }),
    );
    if (kept) continue;
    const detail = 'existing toleration can not be modified except its tolerationSeconds';
    faults.forbidden('spec.tolerations', detail);
    return;
  }
}

/** What the node agent reports. */
export function checkPodStatus(pod: Pod, faults: Faults): void {
  for (const [index, { ip }] of (pod.status?.podIPs ?? []).entries())
    checkIp(ip, `status.podIPs[${index}]`, faults);
  for (const [index, { ip }] of (pod.status?.hostIPs ?? []).entries())
    checkIp(ip, `status.hostIPs[${index}]`, faults);
}
