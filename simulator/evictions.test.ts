/** Evictions in a whole cluster: servers judge them by budgets that the controllers keep while nodes start replacements. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { PodDisruptionBudgetKind } from '#api/kinds/pod-disruption-budget.ts';
import type { Pod, PodDisruptionBudget } from '#api/objects.ts';
import { isPodReady, podCondition } from '#api/semantics/pod-status.ts';
import { STALE_TARGET_MS } from '#controllers/disruption/stale-targets.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { isStatus } from '#machinery/errors.ts';
import { decodeValue } from '#store/value.ts';
import { deployment } from './actions.ts';
import { Cluster } from './cluster.ts';

const REPLICAS = 4;
const BOOT_MS = 15_000;
const STEP_MS = 250;
const NODE_DELAY_MS = 500;
const LIMIT_MS = 120_000;
const namespace = 'default';
const web = { namespace, name: 'web' };

let cluster: Cluster;
let over: AbortController;
/** After each change of the store: how many pods were ready and not about to go. */
let readyOverTime: number[];

beforeEach(async () => {
  cluster = new Cluster(1);
  over = new AbortController();
  cluster.up();
  await cluster.run(BOOT_MS);
  // Nodes take their time, so that a replacement is not ready at once.
  for (const { name, weather } of cluster.parts)
    if (name.startsWith('node-')) weather.delayMs = NODE_DELAY_MS;
  readyOverTime = [];
  void followPods();
});

afterEach(async () => {
  over.abort();
  cluster.down();
  await cluster.store.close();
});

/** Notes in order what the store holds, so that no moment between two looks is missed. */
async function followPods(): Promise<void> {
  const pods = new Map<string, Pod>();
  const from = await cluster.store.revision();
  for await (const { events } of cluster.store.watch('', from, over.signal)) {
    for (const event of events) {
      const key = event.type === 'put' ? event.entry.key : event.key;
      if (!key.includes('/pods/')) continue;
      if (event.type === 'delete') pods.delete(key);
      else pods.set(key, JSON.parse(Buffer.from(decodeValue(event.entry.value).body).toString()));
    }
    readyOverTime.push([...pods.values()].filter(isHealthy).length);
  }
}

const isHealthy = (pod: Pod) => isPodReady(pod) && !pod.metadata.deletionTimestamp;

async function pods(): Promise<Pod[]> {
  return (await cluster.admin.list(PodKind, { namespace })).items;
}

const budgetStatus = async () => (await cluster.admin.get(PodDisruptionBudgetKind, web)).status;

/** `done`, or what the server says against it. */
async function evict({ metadata }: Pod): Promise<string> {
  const eviction = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: metadata.name, namespace },
  };
  const asked = cluster.admin.post(PodKind, metadata, 'eviction', eviction).then(
    () => 'done',
    (error: unknown) => {
      if (!isStatus(error, 'TooManyRequests')) throw error;
      return error.details?.causes?.[0]?.message ?? error.message;
    },
  );
  await cluster.run(0);
  return asked;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await holds()); waited += STEP_MS) {
    if (waited > LIMIT_MS)
      throw new Error(`it did not come to pass: ${JSON.stringify(await budgetStatus())}`);
    await cluster.run(STEP_MS);
  }
}

async function deploy(spec: PodDisruptionBudget['spec']): Promise<Pod[]> {
  const selector = { matchLabels: { app: 'web' } };
  await cluster.admin.create(PodDisruptionBudgetKind, {
    ...{ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: web },
    spec: { selector, ...spec },
  });
  await cluster.admin.create(DeploymentKind, deployment('web', REPLICAS));
  await until(async () => (await budgetStatus())?.currentHealthy === REPLICAS);
  return pods();
}

describe('a budget', () => {
  it('lets the pods of a Deployment go one at a time, while their replacements become ready', async () => {
    const first = await deploy({ maxUnavailable: 1 });
    readyOverTime.length = 0;
    const said = new Set<string>();
    for (const pod of first) {
      await until(async () => {
        const answer = await evict(pod);
        said.add(answer);
        return answer === 'done';
      });
    }
    await until(async () => (await pods()).filter(isHealthy).length === REPLICAS);
    const stayed = first.map(({ metadata }) => metadata.name);
    expect((await pods()).filter((pod) => isHealthy(pod) && stayed.includes(pod.metadata.name))).toEqual([]);
    expect(Math.min(...readyOverTime)).toBe(REPLICAS - 1);
    expect(said).toContain(
      `The disruption budget web needs ${REPLICAS - 1} healthy pods and has ${REPLICAS - 1} currently`,
    );
    await until(async () => (await budgetStatus())?.disruptionsAllowed === 1);
    expect(await budgetStatus()).not.toHaveProperty('disruptedPods');
  });

  it('lets one of many go that are evicted at once', async () => {
    const first = await deploy({ minAvailable: '70%' });
    readyOverTime.length = 0;
    const answers = await Promise.all(first.map(evict));
    expect(answers.filter((answer) => answer === 'done')).toHaveLength(1);
    await cluster.run(BOOT_MS);
    expect(Math.min(...readyOverTime)).toBe(REPLICAS - 1);
    expect((await pods()).filter(isHealthy)).toHaveLength(REPLICAS);
  });

  it('lets nobody go while what keeps it is down', async () => {
    const first = await deploy({ maxUnavailable: 1 });
    cluster.crash(cluster.parts.find(({ name }) => name === 'controllers')!);
    expect(await evict(first[0]!)).toBe('done');
    await cluster.run(LIMIT_MS);
    expect(await evict(first[1]!)).not.toBe('done');
    cluster.up();
    await until(async () => (await evict(first[1]!)) === 'done');
    expect(Math.min(...readyOverTime.slice(readyOverTime.indexOf(REPLICAS)))).toBe(REPLICAS - 1);
  });
});

it('a pod that was marked as evicted and never deleted loses the mark, and its node lets it run on', async () => {
  const [pod] = await deploy({ maxUnavailable: 1 });
  const since = rfc3339(cluster.clock.now());
  const mark = { type: 'DisruptionTarget', status: 'True', reason: 'Test', lastTransitionTime: since };
  const body = { status: { conditions: [mark] } };
  await cluster.admin.patch(PodKind, pod!.metadata, { type: 'strategic', body }, 'status');
  const marked = async () => (await cluster.admin.get(PodKind, pod!.metadata)).status;
  await cluster.run(STALE_TARGET_MS / 2);
  expect(podCondition(await marked(), 'DisruptionTarget')).toMatchObject({ status: 'True', reason: 'Test' });
  await cluster.run(STALE_TARGET_MS);
  expect(podCondition(await marked(), 'DisruptionTarget')).toEqual({
    ...{ type: 'DisruptionTarget', status: 'False' },
    lastTransitionTime: expect.any(String),
  });
  expect(podCondition(await marked(), 'Ready')?.status).toBe('True');
});
