import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

/** The first commands of a section of docs/operations.md. */
function commandsOf(section: string): string[] {
  const [, text = ''] = readFileSync(`${ROOT}docs/operations.md`, 'utf8').split(`\n## ${section}\n`);
  return /^```sh\n([\s\S]*?)```/m.exec(text)![1]!.trim().split('\n');
}

/** What operators are told to do is done here as it is written, on one machine. */
describe.skipIf(whyNoHost())('docs/operations.md', () => {
  const cluster = new TestCluster();

  beforeAll(() => cluster.start());
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  /** A line as it is written; directories are the cluster's own. */
  async function play(line: string): Promise<string> {
    const command = line
      .replace('manifests/', `${ROOT}manifests/`)
      .replace('/backups/', `${cluster.directory}/backups/`)
      .replace(/^gantry .*/, (all) => `${all} --data-dir ${cluster.directory}`);
    const functions = `kubectl() { ${cluster.kubectlBinary} "$@"; }\ngantry() { ${ROOT}bin/gantry "$@"; }`;
    const script = `${functions}\ncd ${cluster.directory}\n${command}`;
    const { code, stdout, stderr } = await cluster.inside('sh', ['-c', script]);
    expect(`${code} ${stderr}`, line).toMatch(/^0 /);
    return stdout;
  }

  test('"Add machines": prints the line for the others', async () => {
    const [line = '', ...more] = commandsOf('Add machines');
    expect(more).toEqual([]);
    expect(await play(line)).toMatch(/^curl -fsSk --pinnedpubkey 'sha256.* \| sh -s -- https:.* --token /m);
  });

  test('"Look at the past": reads an object as it was', async () => {
    await cluster.must(['create', 'namespace', 'shop']);
    await cluster.must(['-n', 'shop', 'create', 'deployment', 'web', '--image=none', '--replicas=0']);
    const list = JSON.parse(await cluster.must(['get', '--raw', '/api/v1/namespaces/shop/pods']));
    const [object = '', past = ''] = commandsOf('Look at the past');
    const now = new Date(Date.now() + 1000).toISOString().replace(/\.\d+/, '');
    const then = JSON.parse(await play(object.replace(/at=[^']*/, `at=${now}`)));
    expect(then).toMatchObject({ kind: 'Deployment', metadata: { name: 'web' } });
    const version = list.metadata.resourceVersion;
    const pods = JSON.parse(await play(past.replace(/resourceVersion=\d+/, `resourceVersion=${version}`)));
    expect(pods).toMatchObject({ kind: 'PodList', metadata: { resourceVersion: version } });
  });

  test('"Back up and restore": what was there at the backup is there again', async () => {
    mkdirSync(join(cluster.directory, 'backups'));
    const lines = commandsOf('Back up and restore');
    expect(lines).toHaveLength(3);
    for (const line of lines.slice(0, 2)) await play(line);
    await cluster.must(['delete', 'namespace', 'shop']);
    await cluster.stop();
    await play(lines[2]!);
    await cluster.up();
    await cluster.must(['get', 'namespace', 'shop']);
  });

  test('"Metrics and alerts": shows every metric that an alert looks at', async () => {
    for (const line of commandsOf('Metrics and alerts')) await play(line);
    const curl = 'curl -sf --cacert ca.crt -H "Authorization: Bearer $(cat token)" https://127.0.0.1:6443';
    const told = `${await play(`${curl}/metrics`)}${await play(`${curl}/api/v1/nodes/node-1/proxy/metrics/cadvisor`)}`;
    const rules = readFileSync(`${ROOT}manifests/monitoring/alerts.yaml`, 'utf8');
    const wanted = new Set([...rules.matchAll(/\b([a-z_]+)\{job=/g)].map(([, name]) => name!));
    expect(wanted.size).toBeGreaterThan(10);
    // Prometheus makes it by itself.
    wanted.delete('up');
    const isTold = (name: string) => told.includes(`# TYPE ${name.replace(/_bucket$/, '')} `);
    expect([...wanted].filter((name) => !isTold(name))).toEqual([]);
    expect(told).toMatch(/^node_collector_zone_size\{zone=""\} 1$/m);
    expect(told).toMatch(/^leader_election_master_status\{name="kube-scheduler"\} 1$/m);
    expect(told).toMatch(/^kubernetes_healthcheck\{name="store-writes",type="readyz"\} 1$/m);
  });
});
