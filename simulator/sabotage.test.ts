/** What the invariants are worth: clusters that are broken on purpose must be found out. */
import { expect, it } from 'vitest';
import type { CommitResult, Op, StoreEvent } from '#store/contract.ts';
import { decodeValue, encodeValue } from '#store/value.ts';
import type { Action } from './actions.ts';
import type { Cluster } from './cluster.ts';
import { simulate } from './run.ts';

const PLAN: Action[] = [
  { name: 'expose', dice: [0], ticks: 0, thenMs: 1_000 },
  { name: 'createDeployment', dice: [0, 0.7], ticks: 0, thenMs: 20_000 },
  { name: 'scale', dice: [0, 0.4], ticks: 0, thenMs: 20_000 },
];

const isPut = (ops: readonly Op[], resource: string) =>
  ops.some(({ op, key }) => op === 'put' && key.includes(`/${resource}/default/`));

/** The store says that it wrote what it did not. */
function forgetScaling(cluster: Cluster): void {
  const commit = cluster.store.commit.bind(cluster.store);
  cluster.store.commit = async (ops, info): Promise<CommitResult> => {
    if (info.actor !== 'admin' || !isPut(ops, 'deployments')) return commit(ops, info);
    const [op] = ops;
    if (op?.op !== 'put' || !op.expect) return commit(ops, info);
    return commit([{ ...op, value: (await cluster.store.get(op.key))!.value }], info);
  };
}

/** Somebody binds each pod again. */
function bindTwice(cluster: Cluster): void {
  const commit = cluster.store.commit.bind(cluster.store);
  cluster.store.commit = (ops, info) => {
    if (!isPut(ops, 'pods')) return commit(ops, info);
    return commit(
      ops.map((op) => (op.op === 'put' ? { ...op, value: onNode(op.value, info.actor) } : op)),
      info,
    );
  };
}

function onNode(value: Uint8Array, actor: string): Uint8Array {
  const { header, body } = decodeValue(value);
  const pod = JSON.parse(Buffer.from(body).toString());
  if (pod.spec?.nodeName && actor.startsWith('system:node:')) pod.spec.nodeName = 'node-9';
  return encodeValue(header, Buffer.from(JSON.stringify(pod)));
}

/** Watches of the store do not tell that pods went. */
function dropDeletions(cluster: Cluster): void {
  const watch = cluster.store.watch.bind(cluster.store);
  const isLost = (event: StoreEvent) => event.type === 'delete' && event.key.includes('/pods/');
  cluster.store.watch = async function* (prefix, from, signal) {
    for await (const { revision, events } of watch(prefix, from, signal))
      yield { revision, events: events.filter((event) => !isLost(event)) };
  };
}

/** What controllers say of the endpoints of Services is acknowledged and not written. */
function forgetEndpoints(cluster: Cluster): void {
  const commit = cluster.store.commit.bind(cluster.store);
  cluster.store.commit = async (ops, info): Promise<CommitResult> => {
    const [op] = ops;
    const changes = isPut(ops, 'endpointslices') && op?.op === 'put' && op.expect;
    return changes ? { ok: true, revision: await cluster.store.revision() } : commit(ops, info);
  };
}

it('finds nothing in a cluster that is whole', async () => {
  expect((await simulate(1, PLAN)).fault).toBeUndefined();
});

it.each([
  ['an acknowledged write that was lost', forgetScaling, /people were told 2/],
  ['a second binding', bindTwice, /was bound to node-\d, then to node-9/],
  ['watches that lose deletions', dropDeletions, /./],
  ['Services that send to nobody', forgetEndpoints, /the Service web sends to/],
])('finds %s', async (_, sabotage, fault) => {
  expect((await simulate(1, PLAN, { sabotage })).fault).toMatch(fault);
});
