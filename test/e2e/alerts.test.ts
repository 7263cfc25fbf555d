import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { imageArchive } from '../harness/cluster.ts';
import { HandbookLab } from '../harness/handbook-lab.ts';
import { whyNoHost } from '../harness/host.ts';
import { firing, metricsOf, type Scrape, seriesOf, whyNoPromtool } from '../harness/prometheus.ts';
import { eventually } from '../harness/run.ts';

const RULES = join(import.meta.dirname, '../../manifests/monitoring/alerts.yaml');
const IS_WANTED = process.env['GANTRY_FULL'] && !process.env['GANTRY_E2E_STORE'];
const MISSING =
  whyNoHost() ?? (IS_WANTED ? whyNoPromtool() : 'only in hack/test --full, with the embedded store');
/** Quicker than the defaults, so that nobody waits for long. */
const FLAGS = '--leader-lease 3s --node-grace-period 5s --snapshot-every 2s';
const DISK_BYTES = 2 ** 29;
/** What a busy machine may bring about at any time. */
const BY_LOAD = ['GantryCommitsSlow', 'GantryServerStalls', 'GantrySnapshotsFail'];

/**
 * The condition of each alert is made true in a cluster of two machines, by the metrics that it tells then, and what the handbook says of
 * the alert is done. Where that would take a fault of ours, the metric alone is made bad.
 */
describe.skipIf(MISSING)(`alerts${MISSING ? ` (${MISSING})` : ''}`, () => {
  const handbook = new HandbookLab(2, DISK_BYTES);
  const play = handbook.play.bind(handbook);
  const wanted = metricsOf(readFileSync(RULES, 'utf8'));
  const kubectl = (args: string) => handbook.sh(1, `kubectl ${args}`);

  /** As manifests/monitoring/prometheus.yaml has it scraped. */
  const scrape = async (): Promise<Scrape> => {
    const curl =
      'curl -sf -m 5 --cacert ca.crt -H "Authorization: Bearer $(cat token)" https://10.0.0.1:6443';
    const path = '/api/v1/nodes/node-1/proxy/metrics/cadvisor';
    const server = await handbook.sh(1, `${curl}/metrics || true`);
    const node = await handbook.sh(1, `${curl}${path} || true`);
    const labels = 'job="gantry",instance="10.0.0.1:6443"';
    const series = seriesOf(server, wanted, labels);
    for (const [name, value] of seriesOf(node, wanted, 'job="gantry-nodes",instance="node-1"'))
      series.set(name, value);
    series.set(`up{${labels}}`, server === '' ? 0 : 1);
    return { atMs: Date.now(), series };
  };
  /** Those that are looked for, and all that load has no part in. */
  const firesBetween = async (before: Scrape, looked: readonly string[] = [], after?: Scrape) => {
    const found = await firing(RULES, before, after ?? (await scrape()));
    return found.filter((alert) => looked.includes(alert) || !BY_LOAD.includes(alert));
  };
  /** Between two scrapes, long enough apart for what happens all the time. */
  const firesNow = async () => {
    const before = await scrape();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    return await firesBetween(before);
  };
  const isCalm = () =>
    eventually('no alert fires', async () => ((await firesNow()).length === 0 ? true : undefined));
  /** The metric alone says so, on one of its series. */
  const given = async (alert: string, metric: RegExp, change: (value: number) => number) => {
    const before = await scrape();
    const [name, value] = [...before.series].find(([series]) => metric.test(series))!;
    const after = { atMs: before.atMs + 15_000, series: new Map(before.series).set(name, change(value)) };
    return await firesBetween(before, [alert], after);
  };
  const isReady = (node: string) =>
    eventually(`${node} is Ready`, async () => {
      const said = await kubectl(`wait --for=condition=Ready node/${node} --timeout=1s || true`);
      return said.includes('condition met') || undefined;
    });
  const isSilent = (node: string) =>
    eventually(`${node} is not Ready`, async () => {
      const said = await kubectl(
        `get node ${node} -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'`,
      );
      return said === 'Unknown' || undefined;
    });

  beforeAll(async () => {
    await handbook.create();
    await handbook.sh(1, `gantry install -- up ${FLAGS}`);
    const { install } = JSON.parse(await handbook.sh(1, 'gantry token create -o json'));
    await handbook.sh(2, install.replace('| sh ', '| GANTRY_SERVICE=1 sh '));
    for (const node of ['node-1', 'node-2']) await isReady(node);
    cpSync(await imageArchive('gantry/busybox:1'), join(handbook.directoryOf(1), 'busybox.tar'));
    await handbook.sh(1, 'gantry image load --local busybox.tar');
    await play('metrics', 1);
  });
  afterAll(async () => {
    expect(await handbook.destroy()).toEqual([]);
  });

  test('are silent when all is well', async () => {
    await isCalm();
  });

  test('GantryContainersKilledForMemory', async () => {
    const hungry = 'until [ -e /go ]; do sleep 0.1; done; tail /dev/zero';
    const container = {
      ...{ name: 'hungry', image: 'gantry/busybox:1', command: ['sh', '-c', hungry] },
      resources: { limits: { memory: '16Mi' } },
    };
    const spec = { nodeName: 'node-1', terminationGracePeriodSeconds: 0, containers: [container] };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'hungry' }, spec };
    await handbook.sh(1, `echo '${JSON.stringify(pod)}' | kubectl apply -f -`);
    await kubectl('wait --for=condition=Ready pod/hungry --timeout=30s');
    const metric = /^container_oom_events_total\{.*hungry/;
    const before = await eventually('its metric is told', async () => {
      const found = await scrape();
      return [...found.series.keys()].some((series) => metric.test(series)) ? found : undefined;
    });
    await kubectl('exec hungry -- touch /go');
    await eventually('there is an event', async () =>
      (await kubectl('get events --field-selector reason=OOMKilling -o name')) === '' ? undefined : true,
    );
    const after = await eventually('it runs again', async () => {
      const found = await scrape();
      return [...found.series].some(([series, value]) => metric.test(series) && value > 0)
        ? found
        : undefined;
    });
    expect(await firesBetween(before, [], after)).toEqual(['GantryContainersKilledForMemory']);
    expect(await play('alert-killed-for-memory', 1)).toContain('pod/hungry');
    await kubectl('delete pod hungry');
  });

  test('GantryPodsFitNowhere', async () => {
    const huge = { name: 'huge', image: 'none', resources: { requests: { cpu: '1000' } } };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'huge' }, spec: { containers: [huge] } };
    await handbook.sh(1, `echo '${JSON.stringify(pod)}' | kubectl apply -f -`);
    await eventually('there is an event', async () =>
      (await kubectl('get events --field-selector reason=FailedScheduling -o name')) === ''
        ? undefined
        : true,
    );
    expect(await firesNow()).toEqual(['GantryPodsFitNowhere']);
    expect(await play('alert-pods-fit-nowhere', 1)).toContain('Insufficient cpu');
    await kubectl('delete pod huge');
  });

  test('GantryRequestsTurnedAway', async () => {
    const level = {
      ...{ apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kind: 'PriorityLevelConfiguration' },
      metadata: { name: 'nothing' },
      spec: {
        type: 'Limited',
        limited: {
          nominalConcurrencyShares: 0,
          lendablePercent: 0,
          borrowingLimitPercent: 0,
          limitResponse: { type: 'Reject' },
        },
      },
    };
    const subject = { kind: 'ServiceAccount', serviceAccount: { name: 'greedy', namespace: 'default' } };
    const rule = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true };
    const flow = {
      ...{ apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kind: 'FlowSchema', metadata: { name: 'greedy' } },
      spec: {
        ...{ matchingPrecedence: 100, priorityLevelConfiguration: { name: 'nothing' } },
        rules: [{ subjects: [subject], resourceRules: [rule] }],
      },
    };
    await kubectl('create serviceaccount greedy');
    await kubectl('create token greedy >greedy');
    for (const object of [level, flow])
      await handbook.sh(1, `echo '${JSON.stringify(object)}' | kubectl apply -f -`);
    const ask = `for i in $(seq 20); do
      curl -s -o /dev/null -w '%{http_code}\\n' --cacert ca.crt -H "Authorization: Bearer $(cat greedy)" https://10.0.0.1:6443/api/v1/namespaces/default/pods
    done`;
    await eventually(
      'it is turned away',
      async () => (await handbook.sh(1, ask)).includes('429') || undefined,
    );
    const before = await scrape();
    await handbook.sh(1, ask);
    expect(await firesBetween(before)).toEqual(['GantryRequestsTurnedAway']);
    expect(await play('alert-requests-turned-away', 1)).toMatch(
      /rejected_requests_total.*priority_level="nothing"/,
    );
    await kubectl('delete flowschema greedy');
  });

  test('GantryServerStalls', async () => {
    await scrape();
    const pid = (await handbook.sh(1, 'pgrep -f "[g]antry.js server "')).trim();
    await handbook.sh(1, `kill -STOP ${pid}; sleep 1.5; kill -CONT ${pid}`);
    const after = await scrape();
    const before = { ...after, atMs: after.atMs - 1_000 };
    expect(await firesBetween(before, ['GantryServerStalls'], after)).toEqual(['GantryServerStalls']);
    await play('alert-server-stalls', 1);
    expect(await handbook.sh(1, 'head -c 10 stalls.cpuprofile')).toContain('{"');
  });

  test('GantryNodeNotReady, and GantryMostNodesNotReady', async () => {
    await handbook.kill(2);
    await isSilent('node-2');
    expect(await firesNow()).toEqual(['GantryNodeNotReady']);
    await play('alert-node-not-ready', 1);
    const agent = (await handbook.sh(1, 'pgrep -f "[g]antry.js agent "')).trim();
    await handbook.sh(1, `kill -STOP ${agent}`);
    await isSilent('node-1');
    expect(await firesNow()).toEqual(['GantryMostNodesNotReady', 'GantryNodeNotReady']);
    expect(await play('alert-most-nodes-not-ready', 1)).toMatch(/node-1 +Unknown/);
    await handbook.sh(1, `kill -CONT ${agent}`);
    await handbook.boot(2);
    await play('alert-node-not-ready-cure', 2);
    for (const node of ['node-1', 'node-2']) await isReady(node);
  });

  test('a full disk: GantryRequestsFail, GantrySnapshotsFail, GantryStoreRefusesWrites', async () => {
    const space = handbook.lab.hosts[0]!.space!;
    const alerts = ['GantryRequestsFail', 'GantrySnapshotsFail', 'GantryStoreRefusesWrites'];
    await handbook.sh(1, 'head -c 700000 /dev/zero >/run/large');
    await space.fill();
    // What is small still finds a place in between, and then the store is well again.
    const writes = handbook.sh(
      1,
      'until [ -e /run/enough ]; do kubectl create configmap large --from-file=/run/large || true; done',
    );
    try {
      let found: string[] = [];
      const fire = async () => {
        found = await firing(RULES, await scrape(), await scrape());
        return alerts.every((alert) => found.includes(alert)) || undefined;
      };
      await eventually('they fire', fire).catch((error) => {
        throw new Error(`${error.message}: only ${found.join()}`);
      });
      await eventually('the reason is told', () => play('alert-store-refuses-writes', 1));
      await play('alert-requests-fail', 1);
      await play('alert-snapshots-fail', 1);
    } finally {
      space.free();
      await handbook.sh(1, 'touch /run/enough');
    }
    await writes;
    await kubectl('create configmap small');
    await play('alert-snapshots-fail-cure', 1);
    await isCalm();
  });

  test('GantryServerDown', async () => {
    await handbook.sh(1, 'systemctl stop gantry');
    expect(await firesNow()).toEqual(['GantryServerDown']);
    await play('alert-server-down', 1);
    await play('alert-server-down-cure', 1);
    await isCalm();
  });

  test.each<[string, RegExp, (value: number) => number, () => Promise<string>]>([
    [
      'GantryServerNotReady',
      /^kubernetes_healthcheck\{name="bootstrap",type="readyz"/,
      () => 0,
      () => play('alert-server-not-ready', 1),
    ],
    [
      'GantryNobodyLeads',
      /^leader_election_master_status\{name="kube-scheduler"/,
      () => 0,
      () => play('alert-nobody-leads', 1),
    ],
    [
      'GantryControllerStuck',
      /^workqueue_longest_running_processor_seconds/,
      () => 130,
      () => play('alert-controller-stuck', 1),
    ],
    [
      'GantryControllerFails',
      /^workqueue_retries_total/,
      (value) => value + 10,
      () => play('alert-controller-fails', 1),
    ],
    [
      'GantryCommitsSlow',
      /^etcd_request_duration_seconds_bucket\{.*le="\+Inf"/,
      (value) => value + 100,
      () => play('alert-commits-slow', 1),
    ],
  ])('%s, when the metric says so', async (alert, metric, change, look) => {
    expect(await given(alert, metric, change)).toEqual([alert]);
    await look();
  });
});
