/** Evictions of pods, with and without disruption budgets. Source: policy/v1 Eviction. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import type { CommitResult, Op } from '#store/contract.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { callsTo, startTestServer } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

const CORE = '/api/v1/namespaces/default';
const PODS = `${CORE}/pods`;
const BUDGETS = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
const REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget.";
const MERGE = { 'content-type': 'application/merge-patch+json' };
const READY = { type: 'Ready', status: 'True' };

/** Lets somebody else write first, once. */
class OvertakenStore extends MemoryStore {
  overtake: (() => Promise<unknown>) | undefined;

  override async commit(
    ops: readonly Op[],
    cause: Parameters<MemoryStore['commit']>[1],
  ): Promise<CommitResult> {
    const first = this.overtake;
    this.overtake = undefined;
    await first?.();
    return super.commit(ops, cause);
  }
}

let clock: VirtualClock;
let store: OvertakenStore;
let server: ApiServer;
let call: ReturnType<typeof callsTo>;

beforeEach(async () => {
  clock = new VirtualClock();
  store = new OvertakenStore({ clock });
  server = await startTestServer({ clock, store });
  call = callsTo(server);
  await call('POST', `${CORE}/serviceaccounts`, { metadata: { name: 'default' } });
});
afterEach(() => server.stop());

interface PodOptions {
  phase?: string;
  ready?: boolean;
}

/** A pod on a node, labelled `app: web`. */
async function makePod(name: string, { phase = 'Running', ready = true }: PodOptions = {}): Promise<void> {
  const made = await call('POST', PODS, {
    metadata: { name, labels: { app: 'web' } },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] },
  });
  expect(made.status).toBe(201);
  const conditions = [{ ...READY, status: ready ? 'True' : 'False' }];
  await call('PATCH', `${PODS}/${name}/status`, { status: { phase, conditions } }, MERGE);
}

/** A budget for `app: web` whose status somebody has just written. */
async function makeBudget(name: string, status: object = {}, spec: object = {}): Promise<void> {
  const selector = { matchLabels: { app: 'web' } };
  const made = await call('POST', BUDGETS, {
    metadata: { name },
    spec: { minAvailable: 1, selector, ...spec },
  });
  expect(made.status).toBe(201);
  const counts = { currentHealthy: 2, desiredHealthy: 1, disruptionsAllowed: 1, observedGeneration: 1 };
  await call('PATCH', `${BUDGETS}/${name}/status`, { status: { ...counts, ...status } }, MERGE);
}

const evict = (name: string, deleteOptions?: object, query = '') =>
  call('POST', `${PODS}/${name}/eviction${query}`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace: 'default' },
    ...(deleteOptions && { deleteOptions }),
  });

const podOf = async (name: string) => (await call('GET', `${PODS}/${name}`)).body;
const statusOf = async (name: string) => (await call('GET', `${BUDGETS}/${name}`)).body.status;
const causesOf = (answer: { body: { details: { causes: { message: string }[] } } }) =>
  answer.body.details.causes.map(({ message }) => message);

describe('an eviction without a budget', () => {
  it('deletes the pod and says in its status why', async () => {
    await makePod('a');
    const answer = await evict('a', { gracePeriodSeconds: 7 });
    expect(answer).toMatchObject({ status: 201, body: { kind: 'Status', status: 'Success', code: 201 } });
    const { metadata, status } = await podOf('a');
    expect(metadata.deletionGracePeriodSeconds).toBe(7);
    expect(status.conditions).toContainEqual({
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'EvictionByEvictionAPI',
      message: 'Eviction API: evicting',
      lastProbeTime: null,
      lastTransitionTime: expect.any(String),
    });
  });

  it('changes nothing on a dry run, asked for either way', async () => {
    await makePod('a');
    const before = await podOf('a');
    expect((await evict('a', undefined, '?dryRun=All')).status).toBe(201);
    expect((await evict('a', { dryRun: ['All'] })).status).toBe(201);
    expect(await podOf('a')).toEqual(before);
  });

  it('is refused for another name, another verb, a pod that is not there and preconditions', async () => {
    await makePod('a');
    const other = await call('POST', `${PODS}/a/eviction`, { metadata: { name: 'b' } });
    expect(other).toMatchObject({
      status: 400,
      body: { message: 'name in URL does not match name in Eviction object' },
    });
    const elsewhere = await call('POST', `${PODS}/a/eviction`, { metadata: { name: 'a', namespace: 'b' } });
    expect(elsewhere).toMatchObject({
      status: 400,
      body: {
        message: 'the namespace of the provided object does not match the namespace sent on the request',
      },
    });
    expect((await call('GET', `${PODS}/a/eviction`)).status).toBe(405);
    expect(await evict('b')).toMatchObject({ status: 404, body: { message: 'pods "b" not found' } });
    expect(await evict('a', { preconditions: { uid: 'x' } })).toMatchObject({ status: 409 });
    expect(await evict('a', { preconditions: { resourceVersion: '1' } })).toMatchObject({ status: 409 });
    expect((await podOf('a')).metadata.deletionTimestamp).toBeUndefined();
    const { metadata } = await podOf('a');
    const { uid, resourceVersion } = metadata;
    expect(await evict('a', { preconditions: { uid, resourceVersion } })).toMatchObject({ status: 201 });
  });
});

describe('a budget', () => {
  it('gives one disruption for each eviction, and none when it has none left', async () => {
    await makePod('a');
    await makePod('b');
    await makeBudget('web');
    expect((await evict('a')).status).toBe(201);
    const now = new Date(clock.now()).toISOString().replace(/\.\d+/, '');
    expect(await statusOf('web')).toMatchObject({
      disruptionsAllowed: 0,
      disruptedPods: { a: now },
      conditions: [
        { type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods', lastTransitionTime: now },
      ],
    });
    const refused = await evict('b');
    expect(refused).toMatchObject({
      status: 429,
      body: {
        status: 'Failure',
        reason: 'TooManyRequests',
        message: REFUSAL,
        details: { causes: [{ reason: 'DisruptionBudget' }] },
      },
    });
    expect(refused.body.details.retryAfterSeconds).toBeUndefined();
    expect((await podOf('b')).metadata.deletionTimestamp).toBeUndefined();
  });

  it('lets only as many go as it allows, however many ask at once', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const name of names) await makePod(name);
    await makeBudget('web', { currentHealthy: 6, desiredHealthy: 4, disruptionsAllowed: 2 });
    const answers = await Promise.all(names.map((name) => evict(name)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 429, 429, 429, 429]);
    const { disruptionsAllowed, disruptedPods } = await statusOf('web');
    expect(disruptionsAllowed).toBe(0);
    expect(Object.keys(disruptedPods)).toHaveLength(2);
  });

  it('costs nothing on a dry run, and nothing when the delete itself is refused', async () => {
    await makePod('a');
    await makeBudget('web');
    expect((await evict('a', { dryRun: ['All'] })).status).toBe(201);
    expect((await evict('a', { preconditions: { uid: 'x' } })).status).toBe(409);
    expect(await statusOf('web')).toMatchObject({ disruptionsAllowed: 1 });
    expect((await statusOf('web')).disruptedPods).toBeUndefined();
    await call('PATCH', `${BUDGETS}/web/status`, { status: { disruptionsAllowed: 0 } }, MERGE);
    expect((await evict('a', { dryRun: ['All'] })).status).toBe(429);
  });

  it('that has not seen its own spec asks to wait', async () => {
    await makePod('a');
    await makeBudget('web', { observedGeneration: 0 });
    const refused = await evict('a');
    expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '10' } });
    expect(refused.body.details.retryAfterSeconds).toBe(10);
    expect(causesOf(refused)).toEqual(['The disruption budget web is still being processed by the server.']);
  });

  const failed = { type: 'DisruptionAllowed', status: 'False', lastTransitionTime: '2026-01-01T00:00:00Z' };
  it.each([
    [
      'its counts',
      { currentHealthy: 1 },
      'The disruption budget web needs 1 healthy pods and has 1 currently',
    ],
    [
      'a failed count',
      { conditions: [{ ...failed, reason: 'SyncFailed', message: 'no scale' }] },
      'The disruption budget web does not allow evicting pods currently because it failed sync: no scale',
    ],
    [
      'its condition',
      { conditions: [{ ...failed, reason: 'InsufficientPods', message: 'one is slow' }] },
      'The disruption budget web does not allow evicting pods currently (InsufficientPods): one is slow',
    ],
    ['nothing', {}, 'The disruption budget web does not allow evicting pods currently'],
  ])('refuses by %s', async (_what, status, message) => {
    await makePod('a');
    await makeBudget('web', { disruptionsAllowed: 0, ...status });
    expect(causesOf(await evict('a'))).toEqual([message]);
  });

  it('refuses while too many evictions are not confirmed', async () => {
    await makePod('a');
    const gone = Array.from({ length: 2001 }, (_, n) => [`p${n}`, '2026-01-01T00:00:00Z']);
    await makeBudget('web', { disruptedPods: Object.fromEntries(gone) });
    expect(await evict('a')).toMatchObject({
      status: 403,
      body: {
        message:
          'poddisruptionbudget.policy "web" is forbidden: DisruptedPods map too big - too many evictions not confirmed by PDB controller',
      },
    });
  });

  it('is not asked for pods that have ended, have not begun or are going already', async () => {
    await makePod('failed', { phase: 'Failed' });
    await makePod('pending', { phase: 'Pending', ready: false });
    await makePod('going');
    await call('DELETE', `${PODS}/going`);
    await makeBudget('web', { disruptionsAllowed: 0 });
    for (const name of ['failed', 'pending', 'going']) expect((await evict(name)).status).toBe(201);
    expect((await statusOf('web')).disruptedPods).toBeUndefined();
  });

  it('selects by its whole selector: an empty one takes every pod, a missing one none', async () => {
    await makePod('a');
    await makeBudget('none', { disruptionsAllowed: 0 }, { selector: null });
    expect((await evict('a', { dryRun: ['All'] })).status).toBe(201);
    await makeBudget('every', { disruptionsAllowed: 0 }, { selector: {} });
    expect((await evict('a', { dryRun: ['All'] })).status).toBe(429);
  });

  it('must be the only one', async () => {
    await makePod('a');
    await makeBudget('one');
    await makeBudget('two');
    const { status, body } = await evict('a');
    expect(status).toBe(500);
    expect(body).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message:
        'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
      code: 500,
    });
  });
});

describe('a pod that is not ready', () => {
  const none = { disruptionsAllowed: 0 };
  it.each([
    ['goes while enough others are healthy', { ...none, currentHealthy: 1 }, {}, 201],
    ['stays when too few are healthy', { ...none, currentHealthy: 0 }, {}, 429],
    ['stays when nobody has counted', { ...none, currentHealthy: 0, desiredHealthy: 0 }, {}, 429],
    [
      'stays when too few are healthy, said outright',
      { ...none, currentHealthy: 0 },
      { unhealthyPodEvictionPolicy: 'IfHealthyBudget' },
      429,
    ],
    [
      'always goes when the budget says so',
      { ...none, currentHealthy: 0 },
      { unhealthyPodEvictionPolicy: 'AlwaysAllow' },
      201,
    ],
  ])('%s', async (_what, status, spec, code) => {
    await makePod('a', { ready: false });
    await makeBudget('web', status, spec);
    expect((await evict('a')).status).toBe(code);
    expect((await statusOf('web')).disruptionsAllowed).toBe(0);
  });
});

describe('a pod that changes meanwhile', () => {
  const becomeReady = () => call('PATCH', `${PODS}/a/status`, { status: { conditions: [READY] } }, MERGE);
  const start = () =>
    call('PATCH', `${PODS}/a/status`, { status: { phase: 'Running', conditions: [READY] } }, MERGE);

  it('is judged anew when it had not begun', async () => {
    await makePod('a', { phase: 'Pending', ready: false });
    await makeBudget('web');
    store.overtake = start;
    expect((await evict('a')).status).toBe(201);
    expect(Object.keys((await statusOf('web')).disruptedPods)).toEqual(['a']);
  });

  it('stays when it was not ready and the budget went by that', async () => {
    await makePod('a', { ready: false });
    await makeBudget('web', { currentHealthy: 1, disruptionsAllowed: 0 });
    store.overtake = becomeReady;
    const refused = await evict('a');
    expect(refused.status).toBe(429);
    expect(causesOf(refused)).toEqual(['The disruption budget web is still being processed by the server.']);
    expect((await podOf('a')).metadata.deletionTimestamp).toBeUndefined();
  });

  it('stays when the caller has asked for it as it was', async () => {
    await makePod('a', { phase: 'Pending', ready: false });
    const { resourceVersion } = (await podOf('a')).metadata;
    store.overtake = start;
    expect((await evict('a', { preconditions: { resourceVersion } })).status).toBe(409);
  });
});
