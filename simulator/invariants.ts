/** What must hold: always, seen from the store; and at rest, when all faults are over. */
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { keyOf, type Pod } from '#api/objects.ts';
import { isPodTerminal } from '#api/semantics/pod-status.ts';
import type { Informer } from '#client/contract.ts';
import type { StoreEvent } from '#store/contract.ts';
import { decodeValue } from '#store/value.ts';
import type { Cluster } from './cluster.ts';
import type { Ledger } from './ledger.ts';

/** A reason why the run has failed. */
export type Fault = string;

/** No pod is ever bound to a second node, and none that ended lives again. */
export function checkEvent(event: StoreEvent): Fault | undefined {
  if (event.type !== 'put' || !event.previous || !event.entry.key.includes('/pods/')) return undefined;
  const [before, after] = [event.previous, event.entry].map(({ value }) => podOf(value)) as [Pod, Pod];
  if (before.metadata.uid !== after.metadata.uid) return undefined;
  const { nodeName } = before.spec!;
  if (nodeName && after.spec?.nodeName !== nodeName)
    return `${after.metadata.name} was bound to ${nodeName}, then to ${after.spec?.nodeName}`;
  if (isPodTerminal(before) && !isPodTerminal(after))
    return `${after.metadata.name} had ended and runs again`;
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

/** Undefined once the cluster is as it was asked to be. */
export async function checkAtRest(
  cluster: Cluster,
  ledger: Ledger,
  informer: Informer<Pod>,
): Promise<Fault | undefined> {
  const { items: deployments } = await cluster.admin.list(DeploymentKind);
  const { items: pods } = await cluster.admin.list(PodKind);
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
  return (await checkNodes(cluster, pods)) ?? checkInformer(informer, pods);
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
function checkInformer(informer: Informer<Pod>, pods: readonly Pod[]): Fault | undefined {
  const versions = (all: readonly Pod[]) =>
    all
      .map((pod) => `${keyOf(pod)}@${pod.metadata.resourceVersion}`)
      .sort()
      .join(', ');
  const [seen, there] = [versions(informer.list()), versions(pods)];
  return seen === there ? undefined : `the informer holds ${seen}; the server ${there}`;
}
