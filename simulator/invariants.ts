/** What must hold: always, seen from the store; and at rest, when all faults are over. */
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import { ServiceKind } from '#api/kinds/service.ts';
import {
  type ApiObject,
  type Deployment,
  type EndpointSlice,
  keyOf,
  type Pod,
  type ReplicaSet,
  type Service,
} from '#api/objects.ts';
import { isPodReady, isPodTerminal, podAddresses } from '#api/semantics/pod-status.ts';
import type { Informer } from '#client/contract.ts';
import type { StoreEvent } from '#store/contract.ts';
import { decodeValue } from '#store/value.ts';
import type { Cluster } from './cluster.ts';
import type { Ledger } from './ledger.ts';

/** A reason why the run has failed. */
export type Fault = string;

/** No pod is ever bound to a second node, none that ended lives again, and none that ran waits again. */
export function checkEvent(event: StoreEvent): Fault | undefined {
  if (event.type !== 'put' || !event.previous || !event.entry.key.includes('/pods/')) return undefined;
  const [before, after] = [event.previous, event.entry].map(({ value }) => podOf(value)) as [Pod, Pod];
  if (before.metadata.uid !== after.metadata.uid) return undefined;
  const { nodeName } = before.spec!;
  if (nodeName && after.spec?.nodeName !== nodeName)
    return `${after.metadata.name} was bound to ${nodeName}, then to ${after.spec?.nodeName}`;
  if (isPodTerminal(before) && !isPodTerminal(after))
    return `${after.metadata.name} had ended and runs again`;
  if (before.status?.phase === 'Running' && after.status?.phase === 'Pending')
    return `${after.metadata.name} was Running and is Pending again`;
  return undefined;
}

function podOf(value: Uint8Array): Pod {
  return JSON.parse(Buffer.from(decodeValue(value).body).toString());
}

/** A sandbox of one pod never stands on two nodes. */
export async function checkAlways(cluster: Cluster): Promise<Fault | undefined> {
  const seen = new Set<string>();
  for (const node of cluster.nodes) {
    for (const uid of await node.sandboxes()) {
      if (seen.has(uid)) return `the pod ${uid} has sandboxes on two nodes`;
      seen.add(uid);
    }
  }
  return undefined;
}

/** Who watched through all of it. */
export interface Watchers {
  pods: Informer<Pod>;
  replicaSets: Informer<ReplicaSet>;
  slices: Informer<EndpointSlice>;
}

/** Undefined once the cluster is as it was asked to be. */
export async function checkAtRest(
  cluster: Cluster,
  ledger: Ledger,
  watchers: Watchers,
): Promise<Fault | undefined> {
  const { admin } = cluster;
  const { items: deployments } = await admin.list(DeploymentKind);
  const { items: pods } = await admin.list(PodKind);
  const { items: replicaSets } = await admin.list(ReplicaSetKind);
  const { items: slices } = await admin.list(EndpointSliceKind);
  const { items: services } = await admin.list(ServiceKind, { namespace: 'default' });
  return (
    checkDeployments(deployments, pods, ledger) ??
    checkOwners(deployments, replicaSets, pods) ??
    checkAddresses(pods) ??
    checkServices(services, slices, pods) ??
    (await checkNodes(cluster, pods)) ??
    checkInformer('pods', watchers.pods, pods) ??
    checkInformer('ReplicaSets', watchers.replicaSets, replicaSets) ??
    checkInformer('EndpointSlices', watchers.slices, slices)
  );
}

function checkDeployments(
  deployments: readonly Deployment[],
  pods: readonly Pod[],
  ledger: Ledger,
): Fault | undefined {
  for (const name of ledger.names()) {
    const found = deployments.find(({ metadata }) => metadata.name === name);
    const state = found ? found.spec!.replicas! : 'gone';
    if (!ledger.possible(name).has(state))
      return `${name} is ${state}, people were told ${[...ledger.possible(name)].join(' or ')}`;
    const mine = pods.filter(
      ({ metadata }) => metadata.labels?.['app'] === name && !metadata.deletionTimestamp,
    );
    const wanted = found?.spec?.replicas ?? 0;
    if (mine.length !== wanted) return `${name} has ${mine.length} pods, not ${wanted}`;
    if ((found?.status?.availableReplicas ?? 0) !== wanted)
      return `${name} says that ${found?.status?.availableReplicas ?? 0} of ${wanted} are available`;
  }
  return undefined;
}

/** Nothing outlives who owns it, and nothing is somebody's twice. */
export function checkOwners(...levels: readonly (readonly ApiObject[])[]): Fault | undefined {
  const all = new Set(levels.flat().map(({ metadata }) => metadata.uid));
  for (const { kind, metadata } of levels.flat()) {
    const owners = metadata.ownerReferences ?? [];
    const gone = owners.find(({ uid }) => !all.has(uid));
    if (gone) return `${kind ?? 'the object'} ${metadata.name} outlives its owner ${gone.kind} ${gone.name}`;
    if (owners.filter(({ controller }) => controller).length > 1)
      return `${metadata.name} has two controllers`;
  }
  return undefined;
}

/** No two pods that live have one address. */
export function checkAddresses(pods: readonly Pod[]): Fault | undefined {
  const holders = new Map<string, string>();
  for (const pod of pods.filter((one) => !isPodTerminal(one))) {
    for (const address of podAddresses(pod)) {
      const other = holders.get(address);
      if (other) return `${other} and ${pod.metadata.name} have the address ${address}`;
      holders.set(address, pod.metadata.name);
    }
  }
  return undefined;
}

/** A Service sends to the pods that are ready, and to no others. */
export function checkServices(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  pods: readonly Pod[],
): Fault | undefined {
  for (const { metadata, spec } of services) {
    if (!spec?.selector) continue;
    const wanted = pods
      .filter((pod) =>
        Object.entries(spec.selector!).every(([key, value]) => pod.metadata.labels?.[key] === value),
      )
      .filter((pod) => isPodReady(pod) && !pod.metadata.deletionTimestamp)
      .flatMap(podAddresses);
    const there = slices
      .filter((slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === metadata.name)
      .flatMap(({ endpoints }) => endpoints ?? [])
      .filter(({ conditions }) => conditions?.ready !== false)
      .flatMap(({ addresses }) => addresses);
    const [one, other] = [wanted.sort().join(', '), there.sort().join(', ')];
    if (one !== other)
      return `the Service ${metadata.name} sends to ${other || 'nobody'}, ready is ${one || 'nobody'}`;
  }
  return undefined;
}

/** Each pod stands on its node, and nothing stands anywhere that is no pod's. */
async function checkNodes(cluster: Cluster, pods: readonly Pod[]): Promise<Fault | undefined> {
  for (const node of cluster.nodes) {
    const wanted = pods
      .filter(({ spec }) => spec?.nodeName === node.name)
      .map(({ metadata }) => metadata.uid!);
    const there = new Set(await node.sandboxes());
    for (const uid of there)
      if (!wanted.includes(uid)) return `the sandbox ${uid} on ${node.name} is nobody's`;
    for (const uid of wanted) if (!there.has(uid)) return `the pod ${uid} has no sandbox on ${node.name}`;
  }
  return undefined;
}

/** Who watched through all of it has the same as who lists now. */
function checkInformer<T extends ApiObject>(
  what: string,
  informer: Informer<T>,
  objects: readonly T[],
): Fault | undefined {
  const versions = (all: readonly T[]) =>
    all
      .map((object) => `${keyOf(object)}@${object.metadata.resourceVersion}`)
      .sort()
      .join(', ');
  const [seen, there] = [versions(informer.list()), versions(objects)];
  return seen === there ? undefined : `the informer of ${what} holds ${seen}; the server ${there}`;
}
