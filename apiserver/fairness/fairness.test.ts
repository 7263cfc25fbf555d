/** Floods, queues and limits on a clock that stands still. */
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { isStatus } from '#machinery/errors.ts';
import type { RequestContext } from '../contract.ts';
import { requestInfo } from '../request-info.ts';
import { BUILT_IN, type PriorityLevel } from './configuration.ts';
import { seatsOf } from './cost.ts';
import { dumpPriorityLevels, dumpQueues, dumpRequests } from './dump.ts';
import { Fairness } from './index.ts';
import { fairnessMetrics } from './metrics.ts';
import type { Ticket } from './ticket.ts';

const PODS = '/api/v1/namespaces/default/pods';

function request(
  user: string,
  path = PODS,
  method = 'GET',
  signal = new AbortController().signal,
): RequestContext {
  const groups = ['system:authenticated'];
  if (user.startsWith('system:node:')) groups.push('system:nodes');
  if (user.startsWith('system:serviceaccount:')) groups.push('system:serviceaccounts');
  if (user === 'admin') groups.push('system:masters');
  return {
    info: requestInfo(method, path),
    request: { method, path, headers: {} },
    identity: { name: user, groups },
    requestId: '1',
    warnings: [],
    signal,
  };
}

/** `global-default` has 4 of these seats; the whole server 40. */
function small(): { fairness: Fairness; clock: VirtualClock } {
  const clock = new VirtualClock();
  return { clock, fairness: new Fairness({ clock, concurrency: 40 }) };
}

function level(fairness: Fairness, name: string) {
  return fairness.levels().find((each) => each.name === name)!;
}

/** Requests that are let in, in that order. */
class Crowd {
  readonly fairness: Fairness;
  readonly running: Ticket[] = [];
  readonly order: string[] = [];
  readonly refused: string[] = [];

  constructor(fairness: Fairness) {
    this.fairness = fairness;
  }

  send(context: RequestContext, count = 1, seats = 1): void {
    for (let i = 0; i < count; i++) {
      const entered = (ticket: Ticket) => {
        this.running.push(ticket);
        this.order.push(context.identity.name);
      };
      try {
        const place = this.fairness.admit(context, seats);
        if (place instanceof Promise)
          place.then(entered, (error) => this.refused.push(`${context.identity.name} ${error.message}`));
        else entered(place);
      } catch (error) {
        if (!isStatus(error, 'TooManyRequests')) throw error;
        this.refused.push(`${context.identity.name} ${error.message}`);
      }
    }
  }

  /** Ends the oldest running request and lets whoever comes next begin. */
  async turn(): Promise<void> {
    this.fairness.finish(this.running.shift()!);
    await Promise.resolve();
  }
}

describe('a flood', () => {
  it('of 1000 requests by one user lets the ten of another wait for a few turns at most', async () => {
    const crowd = new Crowd(small().fairness);
    crowd.send(request('flood'), 1000);
    const seats = crowd.running.length;
    crowd.send(request('mouse'), 10);
    let turns = 0;
    while (crowd.order.filter((name) => name === 'mouse').length < 10) {
      await crowd.turn();
      turns++;
    }
    expect(turns).toBeLessThanOrEqual(21);
    expect(crowd.running).toHaveLength(seats);
    expect(crowd.order.filter((name) => name === 'flood').length).toBeLessThanOrEqual(seats + 11);
    expect(crowd.refused.filter((line) => line.startsWith('mouse'))).toEqual([]);
  });

  it('of requests one at a time does not always go first', async () => {
    const crowd = new Crowd(small().fairness);
    crowd.send(request('many'), 100);
    const already = crowd.order.length;
    crowd.send(request('single'));
    for (let i = 0; i < 20; i++) {
      await crowd.turn();
      // The next one as soon as the last has had its turn: its queue is empty in between.
      if (crowd.order.at(-1) === 'single') crowd.send(request('single'));
    }
    const served = crowd.order.slice(already);
    expect(served.filter((name) => name === 'many').length).toBeGreaterThanOrEqual(9);
    expect(served.filter((name) => name === 'single').length).toBeGreaterThanOrEqual(9);
  });

  it('of lists that cost ten times as much gets a tenth of the turns', async () => {
    const clock = new VirtualClock();
    const fairness = new Fairness({ clock, concurrency: 600 });
    const crowd = new Crowd(fairness);
    crowd.send(request('lists'), 300, 7);
    crowd.send(request('gets'), 250);
    const already = crowd.order.length;
    for (let i = 0; i < 160; i++) await crowd.turn();
    const served = crowd.order.slice(already);
    const gets = served.filter((name) => name === 'gets').length;
    expect(gets / (served.length - gets)).toBeGreaterThan(5);
  });

  it('of small requests does not pass a large one that waits for its seats', async () => {
    const fairness = new Fairness({ clock: new VirtualClock(), concurrency: 600 });
    const crowd = new Crowd(fairness);
    crowd.send(request('filling'), 1000);
    while (level(fairness, 'global-default').waiting > 0) await crowd.turn();
    await crowd.turn();
    crowd.send(request('large'), 1, 7);
    crowd.send(request('small'), 20);
    expect(level(fairness, 'global-default').waiting).toBe(21);
    for (let i = 0; i < 6; i++) await crowd.turn();
    expect(crowd.order).toContain('large');
  });

  it('at one level leaves the seats of others that are not lent', () => {
    const { fairness } = small();
    const crowd = new Crowd(fairness);
    crowd.send(request('flood'), 1000);
    for (const [user, path] of [
      ['system:node:a', '/api/v1/nodes/a'],
      ['system:node:a', PODS],
      ['system:kube-scheduler', PODS],
      ['system:kube-scheduler', '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/scheduler'],
      ['system:serviceaccount:shop:web', PODS],
    ] as const)
      expect(fairness.admit(request(user, path), 1)).not.toBeInstanceOf(Promise);
  });

  it('borrows what others lend, and gives it back as its requests end', async () => {
    const { fairness } = small();
    const crowd = new Crowd(fairness);
    crowd.send(request('flood'), 200);
    const { nominal } = level(fairness, 'global-default').limits;
    expect(crowd.running.length).toBeGreaterThan(nominal);
    const account = request('system:serviceaccount:shop:web');
    crowd.send(account, level(fairness, 'workload-low').limits.nominal);
    const entered = () => crowd.order.filter((name) => name === account.identity.name).length;
    expect(entered()).toBeLessThan(level(fairness, 'workload-low').limits.nominal);
    for (let i = 0; i < 40; i++) await crowd.turn();
    expect(entered()).toBe(level(fairness, 'workload-low').limits.nominal);
  });
});

describe('limits', () => {
  it('answer 429 when the queue of a flow is full, and only to that flow', async () => {
    const crowd = new Crowd(small().fairness);
    crowd.send(request('flood'), 1000);
    const queued = 6 * 50;
    const started = crowd.running.length;
    crowd.send(request('mouse'));
    await Promise.resolve();
    expect(crowd.refused).toHaveLength(1000 - queued - started);
    expect(new Set(crowd.refused)).toEqual(new Set(['flood Too many requests, please try again later.']));
    expect(level(crowd.fairness, 'global-default').waiting).toBe(queued + 1);
  });

  it('answer 429 after 15 seconds of waiting', async () => {
    const { fairness, clock } = small();
    const crowd = new Crowd(fairness);
    crowd.send(request('flood'), 30);
    const started = crowd.running.length;
    await clock.advance(14_999);
    expect(crowd.refused).toEqual([]);
    await clock.advance(1);
    expect(crowd.refused).toHaveLength(30 - started);
    expect(level(fairness, 'global-default').waiting).toBe(0);
    expect(fairnessMetrics(fairness)).toContain(
      `rejected_requests_total{priority_level="global-default",flow_schema="global-default",reason="time-out"} ${30 - started}`,
    );
  });

  it('never queue nor refuse an exempt caller', () => {
    const { fairness } = small();
    const crowd = new Crowd(fairness);
    crowd.send(request('flood'), 1000);
    for (let i = 0; i < 2000; i++) expect(fairness.admit(request('admin'), 10)).not.toBeInstanceOf(Promise);
    expect(fairness.admit(request('flood', '/readyz'), 1)).not.toBeInstanceOf(Promise);
  });

  it('free the place of a request that is aborted while it waits', async () => {
    const { fairness } = small();
    const crowd = new Crowd(fairness);
    crowd.send(request('flood'), 1000);
    const refused = crowd.refused.length;
    const abort = new AbortController();
    const leaving = fairness.admit(request('leaving', PODS, 'GET', abort.signal), 1) as Promise<Ticket>;
    const waiting = level(fairness, 'global-default').waiting;
    abort.abort();
    await expect(leaving).rejects.toMatchObject({
      reason: 'TooManyRequests',
      details: { retryAfterSeconds: 1 },
    });
    expect(level(fairness, 'global-default').waiting).toBe(waiting - 1);
    crowd.send(request('next'));
    expect(crowd.refused).toHaveLength(refused);
    await crowd.turn();
    await crowd.turn();
    expect(crowd.order.at(-1)).toBe('next');
  });

  it('give every seat back: as many run in the end as in the beginning', async () => {
    const { fairness } = small();
    const crowd = new Crowd(fairness);
    crowd.send(request('flood'), 100, 3);
    while (crowd.running.length > 0) await crowd.turn();
    for (const each of fairness.levels())
      expect([each.seats, each.waiting, each.running.size]).toEqual([0, 0, 0]);
    const fresh = new Crowd(small().fairness);
    for (const each of [crowd, fresh]) each.send(request('flood'), 1000);
    expect(crowd.running.length).toBe(fresh.running.length);
  });
});

describe('requests are sorted', () => {
  it.each([
    ['admin', PODS, 'GET', 'exempt'],
    ['ann', '/livez/ping', 'GET', 'exempt'],
    ['ann', '/metrics', 'GET', 'global-default'],
    ['ann', PODS, 'GET', 'global-default'],
    ['system:node:a', '/api/v1/nodes/a/status', 'PATCH', 'node-high'],
    ['system:node:a', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/a', 'PUT', 'node-high'],
    ['system:node:a', PODS, 'GET', 'system'],
    [
      'system:kube-controller-manager',
      '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x',
      'PUT',
      'leader-election',
    ],
    [
      'system:kube-controller-manager',
      '/apis/discovery.k8s.io/v1/namespaces/x/endpointslices',
      'POST',
      'workload-high',
    ],
    ['system:kube-scheduler', '/api/v1/nodes', 'GET', 'workload-high'],
    ['system:serviceaccount:kube-system:dns', PODS, 'GET', 'workload-high'],
    ['system:serviceaccount:kube-systems:dns', PODS, 'GET', 'workload-low'],
    ['system:serviceaccount:shop:web', PODS, 'GET', 'workload-low'],
  ])('%s %s %s: %s', async (user, path, method, expected) => {
    const ticket = await small().fairness.admit(request(user, path, method), 1);
    expect(ticket.level.name).toBe(expected);
  });

  it('and the levels divide 600 seats as those of kube-apiserver do', () => {
    const fairness = new Fairness({ clock: new VirtualClock() });
    expect(fairness.levels().map(({ name, limits }) => `${name} ${limits.nominal}`)).toEqual([
      'catch-all 13',
      'exempt 0',
      'global-default 49',
      'leader-election 25',
      'node-high 98',
      'system 74',
      'workload-high 98',
      'workload-low 245',
    ]);
  });

  it('to catch-all when nothing is about them', async () => {
    const context = { ...request('stranger'), identity: { name: 'stranger', groups: [] } };
    expect((await small().fairness.admit(context, 1)).level.name).toBe('catch-all');
  });

  it('and lists are worth a seat for each hundred objects', () => {
    const seats = (method: string, path: string) => seatsOf(requestInfo(method, path), () => 950);
    expect(seats('GET', PODS)).toBe(10);
    expect(seats('GET', `${PODS}?limit=500`)).toBe(5);
    expect(seats('GET', `${PODS}?fieldSelector=metadata.name%3Da`)).toBe(1);
    expect(seats('GET', `${PODS}/a`)).toBe(1);
    expect(seats('GET', `${PODS}?watch=true`)).toBe(1);
    expect(seats('GET', `${PODS}?watch=true&sendInitialEvents=true`)).toBe(10);
    expect(seats('POST', PODS)).toBe(1);
  });
});

describe('another configuration', () => {
  const lone: PriorityLevel = {
    name: 'lone',
    spec: {
      type: 'Limited',
      limited: { nominalConcurrencyShares: 5, borrowingLimitPercent: 0, limitResponse: { type: 'Reject' } },
    },
  };
  const toLone = {
    name: 'lone',
    spec: {
      priorityLevelConfiguration: { name: 'lone' },
      matchingPrecedence: 10,
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'ann' } }],
          resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['pods'], namespaces: ['default'] }],
        },
      ],
    },
  };

  it('is taken while requests run, and what is not configured any more ends with its requests', async () => {
    const { fairness } = small();
    fairness.configure({ levels: [...BUILT_IN.levels, lone], schemas: [...BUILT_IN.schemas, toLone] });
    const ticket = await fairness.admit(request('ann'), 1);
    expect(ticket.level.name).toBe('lone');
    expect(() => fairness.admit(request('ann'), 1)).toThrow('Too many requests, please try again later.');
    fairness.configure(BUILT_IN);
    expect(level(fairness, 'lone').quiescing).toBe(true);
    expect((await fairness.admit(request('ann'), 1)).level.name).toBe('global-default');
    fairness.finish(ticket);
    fairness.configure(BUILT_IN);
    expect(level(fairness, 'lone')).toBeUndefined();
  });

  it('may shut requests out: a level without shares that may not borrow serves none', () => {
    const { fairness } = small();
    const limited = { ...lone.spec.limited!, nominalConcurrencyShares: 0 };
    const jail = { name: 'lone', spec: { type: 'Limited', limited } };
    fairness.configure({ levels: [...BUILT_IN.levels, jail], schemas: [...BUILT_IN.schemas, toLone] });
    expect(() => fairness.admit(request('ann'), 1)).toThrow('Too many requests, please try again later.');
    expect(fairness.admit(request('bob'), 1)).not.toBeInstanceOf(Promise);
  });

  it('of nothing still has the mandatory levels, and passes over a schema without a level', async () => {
    const { fairness } = small();
    fairness.configure({ levels: [], schemas: [toLone] });
    expect(fairness.levels().map(({ name }) => name)).toEqual(['catch-all', 'exempt']);
    expect((await fairness.admit(request('ann'), 1)).level.name).toBe('catch-all');
    expect((await fairness.admit(request('admin'), 1)).level.name).toBe('exempt');
  });
});

describe('what operators see', () => {
  it('metrics of what runs, waits and was let in', async () => {
    const { fairness, clock } = small();
    const crowd = new Crowd(fairness);
    crowd.send(request('flood'), 50);
    const started = crowd.running.length;
    await clock.advance(150);
    await crowd.turn();
    const text = fairnessMetrics(fairness);
    const labels = 'priority_level="global-default",flow_schema="global-default"';
    expect(text).toContain(`current_executing_requests{${labels}} ${started}\n`);
    expect(text).toContain(`current_inqueue_requests{${labels}} ${50 - started - 1}\n`);
    expect(text).toContain(`dispatched_requests_total{${labels}} ${started + 1}\n`);
    expect(text).toContain(`wait_duration_seconds_bucket{${labels},execute="true",le="0.1"} ${started}\n`);
    expect(text).toContain(
      `wait_duration_seconds_bucket{${labels},execute="true",le="0.2"} ${started + 1}\n`,
    );
    expect(text).toContain(`wait_duration_seconds_sum{${labels},execute="true"} 0.15\n`);
  });

  it('levels, queues and requests as text', () => {
    const { fairness, clock } = small();
    const crowd = new Crowd(fairness);
    crowd.send(request('flood', `${PODS}/a/status`, 'PATCH'), 50);
    const started = crowd.running.length;
    const waiting = 50 - started;
    expect(dumpPriorityLevels(fairness)).toMatch(
      new RegExp(`^global-default, +1, +false, +false, +${waiting}, +${started}$`, 'm'),
    );
    expect(dumpQueues(fairness)).toMatch(
      new RegExp(`^global-default, +0, +${waiting}, +0, +${waiting}$`, 'm'),
    );
    const lines = dumpRequests(fairness, clock, true).trimEnd().split('\n');
    expect(lines).toHaveLength(51);
    expect(lines[1]).toMatch(
      /^global-default, +global-default, +0, +0, +flood, +\S+, +1, +flood, +patch, +\/api\/v1\/\S+, +default, +a, +v1, +pods, +status$/,
    );
  });
});
