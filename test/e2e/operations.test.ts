import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

/** The commands of a section of docs/operations.md. */
function commandsOf(section: string): string[] {
  const [, text = ''] = readFileSync(`${ROOT}docs/operations.md`, 'utf8').split(`## ${section}\n`);
  return /^```sh\n([\s\S]*?)```/m.exec(text)![1]!.trim().split('\n');
}

describe.skipIf(whyNoHost())('docs/operations.md', () => {
  const cluster = new TestCluster();

  beforeAll(() => cluster.start());
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  /** A line as it is written, in the cluster's own directory. */
  async function play(line: string): Promise<string> {
    const command = line.replace('manifests/', `${ROOT}manifests/`);
    const script = `kubectl() { ${cluster.kubectlBinary} "$@"; }\ncd ${cluster.directory}\n${command}`;
    const { code, stdout, stderr } = await cluster.inside('sh', ['-c', script]);
    expect(`${code} ${stderr}`, line).toMatch(/^0 /);
    return stdout;
  }

  test('whoever follows "Metrics and alerts" reads every metric that an alert looks at', async () => {
    for (const line of commandsOf('Metrics and alerts')) await play(line);
    const address = 'https://127.0.0.1:6443';
    const scrape = (path: string) =>
      play(`curl -sf --cacert ca.crt -H "Authorization: Bearer $(cat token)" ${address}${path}`);
    const told = `${await scrape('/metrics')}${await scrape('/api/v1/nodes/node-1/proxy/metrics/cadvisor')}`;
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
