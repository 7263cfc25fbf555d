import { beforeEach, describe, expect, test } from 'vitest';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { Node, Pod } from '#api/objects.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { seededRandom } from '#machinery/random.ts';
import { type DrainOrder, drain } from './drain.ts';
import { nodeTable, rowOf } from './nodes.ts';

const NODE = { name: 'n1' };
let clock: VirtualClock;
let cluster: FakeCluster;
let shown: string[];
beforeEach(async () => {
  clock = new VirtualClock();
  cluster = new FakeCluster({ clock, random: seededRandom(1) });
  shown = [];
  await cluster.client.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: NODE });
});

async function run(name: string, controller = true): Promise<void> {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'u', controller: true };
  const metadata = { name, namespace: 'default', ...(controller && { ownerReferences: [owner] }) };
  const spec = { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] };
  await cluster.client.create(PodKind, { apiVersion: 'v1', kind: 'Pod', metadata, spec } as Pod);
}

/** What the cluster does: says how far it is, and at last that nothing is left. */
function told(message: string, isDone: boolean): void {
  cluster.change(NodeKind, NODE, (node) => {
    node.spec = { unschedulable: true };
    node.status = { conditions: [{ type: 'Drained', status: isDone ? 'True' : 'False', message }] };
  });
}

/** The outcome, once `ms` have passed in steps. */
async function outcomeAfter(ms: number, order: Partial<DrainOrder> = {}, meanwhile = (_ms: number) => {}) {
  const deps = { client: cluster.client, clock, show: (text: string) => shown.push(text) };
  let outcome: unknown = 'it waits';
  const settled = (text: string) => {
    outcome = text;
  };
  drain({ node: 'n1', timeoutMs: 60_000, ...order }, deps).then(
    () => settled('drained'),
    (error: Error) => settled(error.message),
  );
  for (let passed = 0; passed <= ms; passed += 100) {
    await clock.advance(100);
    meanwhile(passed);
  }
  return outcome;
}
const label = () => cluster.get(NodeKind, NODE)!.metadata.labels?.['gantry.dev/availability'];

describe('a drain', () => {
  test('is over when the node is cordoned and no pod is left that has to go', async () => {
    await run('a');
    const outcome = await outcomeAfter(5_000, {}, (ms) => {
      if (ms === 1_000) told('1 pod has to go: default/a', false);
      if (ms === 2_000) cluster.remove(PodKind, cluster.all(PodKind)[0]!);
    });
    expect(outcome).toBe('drained');
    expect(shown).toContain('1 pod has to go: default/a');
    expect(label()).toBe('drain');
  });

  test('does not take the end of an earlier one for its own', async () => {
    await run('a');
    told('no pod is left that has to go', true);
    expect(await outcomeAfter(5_000)).toBe('it waits');
  });

  test('changes nothing when pods would be lost, unless it is forced', async () => {
    await run('bare', false);
    expect(await outcomeAfter(1_000)).toBe(
      'no controller would make default/bare anew elsewhere: --force lets go of them too',
    );
    expect(label()).toBeUndefined();
    expect(await outcomeAfter(1_000, { force: true })).toBe('it waits');
    expect(cluster.get(NodeKind, NODE)!.metadata.annotations).toEqual({
      'gantry.dev/drain': '{"force":true}',
    });
  });

  test('ends with its time, and says what it waited for', async () => {
    await run('a');
    told('held: default/a (The disruption budget web needs 2 healthy pods and has 2 currently)', false);
    expect(await outcomeAfter(4_000, { timeoutMs: 2_000 })).toBe(
      'n1 is not drained after 2 s: held: default/a (The disruption budget web needs 2 healthy pods and has 2 currently); it goes on being drained ("gantry node update --availability active n1" ends that)',
    );
  });

  test('goes on when a server is away for a moment, and not when that lasts', async () => {
    await run('a');
    told('x', false);
    let away = true;
    const asked = outcomeAfter(60_000, { timeoutMs: 0 }, (ms) => {
      if (ms === 20_000) away = false;
      if (ms === 25_000) away = true;
    });
    let first = true;
    cluster.intercept(({ verb }) => {
      // The first look is not yet of the drain.
      if (verb === 'patch') first = false;
      return away && !first && verb !== 'patch'
        ? new StatusError('ServiceUnavailable', 'nobody there')
        : undefined;
    });
    expect(await asked).toBe('nobody there');
    expect(clock.now() - Date.UTC(2026, 0, 1)).toBeGreaterThan(55_000);
  });

  test('of a node that is not there fails', async () => {
    expect(await outcomeAfter(1_000, { node: 'n9' })).toContain('not found');
  });
});

test('nodes are listed with what they take part in', () => {
  const node = (name: string, change: Partial<Node>, ready = 'True', drained?: string): Node => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, ...change.metadata },
    spec: change.spec ?? {},
    status: {
      addresses: [{ type: 'InternalIP', address: `10.0.0.${name.at(-1)}` }],
      conditions: [
        { type: 'Ready', status: ready },
        ...(drained ? [{ type: 'Drained', status: drained, message: 'held' }] : []),
      ],
      nodeInfo: { kubeletVersion: 'v1' } as never,
    },
  });
  const as = (name: string, said: string) => ({
    metadata: { name, labels: { 'gantry.dev/availability': said } },
    spec: { unschedulable: true },
  });
  const rows = [
    node('n1', {}),
    node('n2', as('n2', 'pause')),
    node('n3', as('n3', 'drain'), 'True', 'False'),
    node('n4', as('n4', 'drain'), 'Unknown', 'True'),
    node('n5', { spec: { unschedulable: true } }, 'False'),
  ].map((each) => rowOf(each, new Set(['10.0.0.1'])));
  expect(nodeTable(rows)).toBe(`\
NAME   STATUS     AVAILABILITY      ROLE     ADDRESS    VERSION
n1     Ready      active            server   10.0.0.1   v1
n2     Ready      pause             node     10.0.0.2   v1
n3     Ready      drain (not yet)   node     10.0.0.3   v1
n4     Unknown    drained           node     10.0.0.4   v1
n5     NotReady   cordoned          node     10.0.0.5   v1
`);
  expect(rows[2]).toMatchObject({ drained: false, reason: 'held' });
});
