import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import { callsTo } from '../fake/server.ts';
import { kubectlBinary, type Served, serve } from '../testing/served.ts';

/** A node is drained by evictions, and budgets hold them back. */
const here = test.skipIf(!kubectlBinary('1.33'));
const PODS = '/api/v1/namespaces/default/pods';
const BUDGET = '/apis/policy/v1/namespaces/default/poddisruptionbudgets/web/status';
const MERGE = { 'content-type': 'application/merge-patch+json' };
let api: Served;
let call: ReturnType<typeof callsTo>;

beforeAll(async () => {
  api = await serve();
  call = callsTo(api.server);
  const { engine } = api.server;
  const metadata = { name: 'default', namespace: 'default' };
  await engine.create(ServiceAccountKind, { apiVersion: 'v1', kind: 'ServiceAccount', metadata }, 'test');
  await engine.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }, 'test');
  for (const name of ['a', 'b']) await runPod(name);
});
afterAll(() => api?.stop());

/** A pod that runs on the node, and goes at once when it is deleted. */
async function runPod(name: string): Promise<void> {
  const spec = { nodeName: 'n1', terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'i' }] };
  const metadata = { name, namespace: 'default', labels: { app: 'web' } };
  await api.server.engine.create(PodKind, { apiVersion: 'v1', kind: 'Pod', metadata, spec }, 'test');
  const conditions = [{ type: 'Ready', status: 'True' }];
  await call('PATCH', `${PODS}/${name}/status`, { status: { phase: 'Running', conditions } }, MERGE);
}

/** What the controller of budgets would write. */
const count = (status: object) =>
  call('PATCH', BUDGET, { status: { observedGeneration: 1, desiredHealthy: 1, ...status } }, MERGE);

const pods = async () =>
  (await call('GET', PODS)).body.items.map((pod: { metadata: { name: string } }) => pod.metadata.name);

describe('kubectl drain', () => {
  here('evicts as many pods as the budget allows, and says why the others stay', async () => {
    await api.kubectl(['create', 'pdb', 'web', '--selector=app=web', '--min-available=1']);
    await count({ currentHealthy: 2, disruptionsAllowed: 1 });
    const drained = await api.kubectl(['drain', 'n1', '--force', '--timeout=2s']);
    expect(drained.code).toBe(1);
    expect(drained.out).toMatch(/^pod\/[ab] evicted$/m);
    expect(drained.err).toMatch(
      /error when evicting pods\/"[ab]" -n "default" \(will retry after 5s\): Cannot evict pod as it would violate the pod's disruption budget\./,
    );
    expect(await pods()).toHaveLength(1);
  });

  here('goes on when the budget allows it again', async () => {
    await count({ currentHealthy: 2, disruptionsAllowed: 1 });
    const drained = await api.kubectl(['drain', 'n1', '--force', '--timeout=10s']);
    expect(drained).toMatchObject({ code: 0 });
    expect(drained.out).toContain('node/n1 drained');
    expect(await pods()).toEqual([]);
  });
});
