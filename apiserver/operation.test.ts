/** What operators see of a server, and how it stands a flood. */
import { afterEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { collect, type TransportResponse } from '#machinery/transport.ts';
import type { Authorizer } from './contract.ts';
import { callsTo, startTestServer, TEST_ADMIN, watchOf } from './fake/server.ts';
import type { ApiServer, ApiServerDeps } from './server.ts';
import { Gate } from './testing/gate.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const ALLOW: Authorizer = {
  authorize: () => ({ allowed: true, reason: '' }),
  rules: () => ({ resources: [], paths: [] }),
};

let server: ApiServer;
const gate = { current: new Gate('held') };

async function start(deps: Partial<ApiServerDeps> = {}): Promise<ReturnType<typeof callsTo>> {
  gate.current = new Gate('held');
  server = await startTestServer({ admission: [gate.current], ...deps });
  return callsTo(server);
}
afterEach(async () => {
  gate.current.open();
  await server.stop();
});

function as(name: string, groups: string[] = ['system:authenticated']) {
  const transport = server.transport({ name, groups });
  return (method: string, path: string, body?: object): Promise<TransportResponse> =>
    transport.request({
      method,
      path,
      headers: { 'content-type': 'application/json' },
      ...(body && { body: Buffer.from(JSON.stringify(body)) }),
    });
}

const text = async ({ body }: TransportResponse) => Buffer.from(await collect(body)).toString();
const held = { metadata: { name: 'held' } };

describe('a flood of requests by one user', () => {
  it('is answered 429 when its queue is full, while others are served', async () => {
    const call = await start({ authorizer: ALLOW, operation: { concurrency: 40 } });
    const flood = as('flood');
    const answers = Array.from({ length: 1000 }, () => flood('POST', MAPS, held));
    await gate.current.reached;
    const refused = await Promise.race(answers);
    expect(refused.status).toBe(429);
    expect(refused.headers).toMatchObject({ 'retry-after': '1', 'content-type': 'application/json' });
    expect(JSON.parse(await text(refused))).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'Too many requests, please try again later.',
      reason: 'TooManyRequests',
      details: { retryAfterSeconds: 1 },
      code: 429,
    });
    const node = as('system:node:a', ['system:authenticated', 'system:nodes']);
    expect((await node('GET', MAPS)).status).toBe(200);
    expect((await call('GET', MAPS)).status).toBe(200);
    const { body } = await call('GET', '/metrics');
    expect(body).toMatch(
      /^apiserver_flowcontrol_current_inqueue_requests\{priority_level="global-default",flow_schema="global-default"\} 300$/m,
    );
    expect(body).toMatch(/^apiserver_flowcontrol_rejected_requests_total\{.*reason="queue-full"\} \d{3}$/m);
    expect(body).toMatch(/^apiserver_request_terminations_total\{verb="POST",.*code="429"\} \d{3}$/m);
    expect(body).toMatch(/^apiserver_current_inflight_requests\{request_kind="mutating"\} \d{3,4}$/m);
    const dump = (await call('GET', '/debug/api_priority_and_fairness/dump_requests?includeRequestDetails=1'))
      .body;
    expect(dump.match(/^global-default, +global-default, +0, +\d+, +flood, .*configmaps/gm)).toHaveLength(
      300,
    );
    const mouse = as('mouse')('GET', MAPS);
    gate.current.open();
    expect((await mouse).status).toBe(200);
    const codes = new Set((await Promise.all(answers)).map(({ status }) => status));
    expect([...codes].sort()).toEqual([201, 409, 429]);
    expect((await call('GET', '/debug/api_priority_and_fairness/dump_priority_levels')).body).toMatch(
      /^global-default, +0, +true, +false, +0, +0$/m,
    );
  });

  it('of watches counts only while they start', async () => {
    await start({ authorizer: ALLOW, operation: { concurrency: 40 } });
    const user = as('watcher');
    for (let i = 0; i < 200; i++) expect((await user('GET', `${MAPS}?watch=1`)).status).toBe(200);
    expect((await user('GET', MAPS)).status).toBe(200);
  });
});

describe('flow schemas and priority levels', () => {
  const FLOW = '/apis/flowcontrol.apiserver.k8s.io/v1';

  it('that are written decide from then on, and clients are told which by uid', async () => {
    const call = await start({ authorizer: ALLOW });
    const level = await call('POST', `${FLOW}/prioritylevelconfigurations`, {
      metadata: { name: 'maps' },
      spec: { type: 'Limited', limited: { nominalConcurrencyShares: 1, limitResponse: { type: 'Reject' } } },
    });
    const rules = [
      {
        subjects: [{ kind: 'User', user: { name: 'ann' } }],
        resourceRules: [{ verbs: ['*'], apiGroups: [''], resources: ['configmaps'], namespaces: ['*'] }],
      },
    ];
    const schema = await call('POST', `${FLOW}/flowschemas`, {
      metadata: { name: 'maps' },
      spec: { priorityLevelConfiguration: { name: 'maps' }, matchingPrecedence: 50, rules },
    });
    expect([level.status, schema.status, schema.headers['warning']]).toEqual([201, 201, undefined]);
    const { headers } = await as('ann')('GET', MAPS);
    expect(headers).toMatchObject({
      'x-kubernetes-pf-flowschema-uid': schema.body.metadata.uid,
      'x-kubernetes-pf-prioritylevel-uid': level.body.metadata.uid,
    });
    expect((await as('bob')('GET', MAPS)).headers).not.toMatchObject({
      'x-kubernetes-pf-flowschema-uid': schema.body.metadata.uid,
    });
    await call(
      'PATCH',
      `${FLOW}/prioritylevelconfigurations/maps`,
      { spec: { limited: { nominalConcurrencyShares: 0, borrowingLimitPercent: 0 } } },
      { 'content-type': 'application/merge-patch+json' },
    );
    const refused = await as('ann')('GET', MAPS);
    expect([refused.status, refused.headers['x-kubernetes-pf-prioritylevel-uid']]).toEqual([
      429,
      level.body.metadata.uid,
    ]);
    await call('DELETE', `${FLOW}/prioritylevelconfigurations/maps`);
    expect((await as('ann')('GET', MAPS)).status).toBe(200);
    const dump = (await call('GET', '/debug/api_priority_and_fairness/dump_priority_levels')).body;
    expect(dump).not.toMatch(/^maps,/m);
  });

  it('say of each schema from the start that its level is there', async () => {
    const call = await start();
    const { items } = (await call('GET', `${FLOW}/flowschemas`)).body;
    expect(items).toHaveLength(13);
    for (const { status } of items)
      expect(status.conditions).toEqual([
        expect.objectContaining({ type: 'Dangling', status: 'False', reason: 'Found' }),
      ]);
  });
});

describe('the log', () => {
  it('tells once of a slow request, with the share of each stage', async () => {
    const clock = new VirtualClock();
    const lines: LogLine[] = [];
    const call = await start({ clock, log: memoryLogger(lines) });
    await call('GET', MAPS);
    const watch = await watchOf(server, `${MAPS}?watch=1`);
    const answer = call('POST', MAPS, held);
    await gate.current.reached;
    await clock.advance(1_500);
    gate.current.open();
    const { status, headers } = await answer;
    watch.stop();
    expect(status).toBe(201);
    expect(lines.filter(({ message }) => message === 'a request was slow')).toEqual([
      {
        level: 'warn',
        message: 'a request was slow',
        fields: {
          verb: 'create',
          path: MAPS,
          user: 'admin',
          code: 201,
          requestId: headers['audit-id'],
          tookMs: 1500,
          admitMs: 1500,
        },
      },
    ]);
  });
});

describe('metrics', () => {
  it('have the names and labels of kube-apiserver', async () => {
    const call = await start();
    await call('POST', MAPS, { metadata: { name: 'a' } });
    await call('GET', `${MAPS}/a`);
    await call('GET', `${MAPS}/b`);
    await call('PUT', `${MAPS}/a?dryRun=All`, { metadata: { name: 'a' } });
    const watch = await watchOf(server, `${MAPS}?watch=1&resourceVersion=0`);
    await watch.next();
    const lines = async () => (await call('GET', '/metrics')).body.split('\n') as string[];
    const labels = (verb: string, scope: string, dryRun = '') =>
      `verb="${verb}",dry_run="${dryRun}",group="",version="v1",resource="configmaps",subresource="",scope="${scope}",component="apiserver"`;
    const during = await lines();
    for (const line of [
      `apiserver_request_total{${labels('POST', 'resource')},code="201"} 1`,
      `apiserver_request_total{${labels('GET', 'resource')},code="200"} 1`,
      `apiserver_request_total{${labels('GET', 'resource')},code="404"} 1`,
      `apiserver_request_total{${labels('PUT', 'resource', 'All')},code="200"} 1`,
      `apiserver_request_duration_seconds_count{${labels('GET', 'resource')}} 2`,
      `apiserver_request_sli_duration_seconds_bucket{${labels('GET', 'resource')},le="60"} 2`,
      `apiserver_response_sizes_bucket{${labels('GET', 'resource')},le="1000"} 2`,
      `apiserver_longrunning_requests{${labels('WATCH', 'namespace')}} 1`,
      'apiserver_watch_events_total{group="",version="v1",resource="configmaps"} 1',
      'apiserver_storage_objects{resource="configmaps"} 1',
      'etcd_request_duration_seconds_count{operation="create",type="configmaps"} 1',
      'apiserver_current_inflight_requests{request_kind="readOnly"} 1',
    ])
      expect(during).toContain(line);
    watch.stop();
    await watch.next();
    expect(await lines()).toContain(`apiserver_longrunning_requests{${labels('WATCH', 'namespace')}} 0`);
  });

  it('name each family once, with its type, and every line is of the one above it', async () => {
    const call = await start();
    await call('GET', MAPS);
    const { body, headers } = await call('GET', '/metrics');
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    const seen = new Set<string>();
    let family = '';
    for (const line of (body as string).trimEnd().split('\n')) {
      if (line.startsWith('# HELP ')) {
        family = line.split(' ')[2]!;
        expect(seen).not.toContain(family);
        seen.add(family);
      } else if (!line.startsWith('# TYPE '))
        expect(line).toMatch(new RegExp(`^${family}(_bucket|_sum|_count)?[{ ]`));
    }
    expect(seen.size).toBeGreaterThan(15);
  });
});

describe('/debug', () => {
  it('is for whom RBAC lets, by path', async () => {
    const call = await start();
    const paths = ['flags', 'pprof/heap', 'pprof/profile', 'api_priority_and_fairness/dump_queues'];
    for (const path of paths) expect((await as('ann')('GET', `/debug/${path}`)).status).toBe(403);
    await call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterroles', {
      metadata: { name: 'heap' },
      rules: [{ verbs: ['get'], nonResourceURLs: ['/debug/pprof/heap'] }],
    });
    await call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      metadata: { name: 'heap' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'heap' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'ann' }],
    });
    expect((await as('ann')('GET', '/debug/pprof/heap')).status).toBe(200);
    expect((await as('ann')('GET', '/debug/pprof/profile')).status).toBe(403);
  });

  it('makes a CPU profile of this process, one at a time and of bounded length', async () => {
    const call = await start();
    const profile = call('GET', '/debug/pprof/profile?seconds=0.3');
    const second = await call('GET', '/debug/pprof/profile?seconds=0.3');
    expect([second.status, second.body.reason]).toEqual([409, 'Conflict']);
    const { body } = await profile;
    expect(body.endTime - body.startTime).toBeGreaterThan(290_000);
    expect(body.nodes.length).toBeGreaterThan(1);
    expect((await call('GET', '/debug/pprof/profile?seconds=0.01')).status).toBe(200);
    for (const seconds of ['301', '0', '-1', 'x', ''])
      expect((await call('GET', `/debug/pprof/profile?seconds=${seconds}`)).status).toBe(400);
  });

  it('stops a profile when the client goes', async () => {
    const call = await start();
    const abort = new AbortController();
    const path = '/debug/pprof/profile?seconds=300';
    const transport = server.transport(TEST_ADMIN);
    const profile = transport.request({ method: 'GET', path, headers: {}, signal: abort.signal });
    expect((await call('GET', path)).status).toBe(409);
    abort.abort();
    await profile;
    expect((await call('GET', '/debug/pprof/profile?seconds=0.01')).status).toBe(200);
  });

  it('tells of the heap, and makes a snapshot only when asked', async () => {
    const call = await start();
    const { body } = await call('GET', '/debug/pprof/heap');
    expect(body.heap.used_heap_size).toBeGreaterThan(1e6);
    expect(body.process.rss).toBeGreaterThan(1e6);
    expect((await call('GET', '/debug/pprof/heap?debug=1')).status).toBe(400);
    const snapshot = await as('admin', TEST_ADMIN.groups)('GET', '/debug/pprof/heap?debug=snapshot');
    if (snapshot.body instanceof Uint8Array) throw new Error('not a stream');
    let begin = '';
    for await (const chunk of snapshot.body) {
      begin = Buffer.from(chunk).toString();
      break;
    }
    expect(begin).toMatch(/^\{"snapshot":/);
  });

  it('shows the flags of the process', async () => {
    const call = await start({
      operation: { flags: ['--data-dir', '/var/lib/gantry', '--log-level', 'info'] },
    });
    expect((await call('GET', '/debug/flags')).body).toBe('--data-dir /var/lib/gantry\n--log-level info\n');
  });
});
