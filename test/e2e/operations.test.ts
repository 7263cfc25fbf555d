import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { imageArchive } from '../harness/cluster.ts';
import { TestEtcd } from '../harness/etcd.ts';
import { HandbookLab } from '../harness/handbook-lab.ts';
import { whyNoHost } from '../harness/host.ts';
import { metricsOf } from '../harness/prometheus.ts';
import { eventually } from '../harness/run.ts';

const ALERTS = join(import.meta.dirname, '../../manifests/monitoring/alerts.yaml');
const MISSING =
  whyNoHost() ?? (process.env['GANTRY_E2E_STORE'] ? 'begins with the embedded store' : undefined);

/** What operators are told to do is done here as it is written, in one go, on three machines. */
describe.skipIf(MISSING)(`docs/operations.md${MISSING ? ` (${MISSING})` : ''}`, () => {
  const handbook = new HandbookLab(3);
  const play = handbook.play.bind(handbook);
  const { lab } = handbook;
  const kubectl = (args: string) => handbook.sh(1, `kubectl ${args}`);
  /** What is told of a line of `gantry token create`: what the next block of the handbook says in its place. */
  const learnLine = (printed: string) => {
    const [, sum, token] = /sha256\/\/(\S+)' .* --token (\S+)/.exec(printed)!;
    handbook.learn('SUM', sum!);
    handbook.learn('TOKEN', token!);
    handbook.learn('abcdef', token!.split('.')[0]!);
  };
  const votes = async (count: number) => {
    const look = async () => {
      const members = JSON.parse(await handbook.sh(1, 'gantry etcd status -o json || true')) as unknown[];
      return members.length === count || undefined;
    };
    await eventually(`${count} members have a vote`, look, { timeoutMs: 60_000 });
  };

  beforeAll(async () => {
    await handbook.create();
    cpSync(await imageArchive('gantry/hello:1'), join(handbook.directoryOf(1), 'app.tar'));
  });
  afterAll(async () => {
    expect(await handbook.destroy()).toEqual([]);
  });

  test('Install', async () => {
    await play('install', 1);
    await play('look', 1);
    await play('look-closer', 1);
    await play('keep-keys', 1);
  });

  test('Add machines', async () => {
    learnLine(await play('token', 1));
    await play('join', 2);
    await play('joined', 1);
    expect(await play('cloud-config', 1)).toBe('');
    expect(await handbook.sh(1, 'head -n 1 user-data')).toBe('#cloud-config\n');
  });

  test('Images without a registry', async () => {
    await play('images', 1);
    await play('image-rm', 1);
  });

  test('Take machines out', async () => {
    await play('drain', 1);
    await play('activate', 1);
    await play('join', 3);
    await handbook.kill(3);
    await play('remove', 1);
    expect(await kubectl('get nodes -o name')).toBe('node/node-1\nnode/node-2\n');
    // The one of the user data.
    await handbook.sh(
      1,
      'gantry token ls | awk \'NR > 1 && $1 != "abcdef" { print $1 }\' | xargs -n 1 gantry token rm',
    );
    await play('tokens', 1);
  });

  test('Look at the past', async () => {
    await kubectl('create namespace shop');
    await kubectl('-n shop create deployment web --image=none --replicas=0');
    const { metadata } = JSON.parse(await kubectl('get --raw /api/v1/namespaces/shop/pods'));
    handbook.learn('4711', metadata.resourceVersion);
    handbook.learn('2026-01-31T12:00:00Z', new Date(Date.now() + 1000).toISOString().replace(/\.\d+/, ''));
    const said = await play('past', 1);
    expect(said).toContain('"kind":"Deployment"');
    expect(said).toMatch(new RegExp(`"kind":"PodList".*"resourceVersion":"${metadata.resourceVersion}"`));
  });

  test('Metrics and alerts: every metric that an alert looks at is told', async () => {
    await play('metrics', 1);
    const curl = 'curl -sf --cacert ca.crt -H "Authorization: Bearer $(cat token)" https://10.0.0.1:6443';
    const node = '/api/v1/nodes/node-1/proxy/metrics/cadvisor';
    const told = await handbook.sh(1, `${curl}/metrics; ${curl}${node}`);
    const wanted = metricsOf(readFileSync(ALERTS, 'utf8'));
    expect(wanted.size).toBeGreaterThan(10);
    // Prometheus makes it by itself.
    wanted.delete('up');
    const isTold = (name: string) => told.includes(`# TYPE ${name.replace(/_bucket$/, '')} `);
    expect([...wanted].filter((name) => !isTold(name))).toEqual([]);
    expect(told).toMatch(/^node_collector_zone_size\{zone=""\} 2$/m);
    expect(told).toMatch(/^leader_election_master_status\{name="kube-scheduler"\} 1$/m);
    expect(told).toMatch(/^kubernetes_healthcheck\{name="store-writes",type="readyz"\} 1$/m);
  });

  test('new keys', async () => {
    await play('secrets-rotate', 1);
    await play('certs-rotate', 1);
    await play('keep-keys', 1);
  });

  test('Back up and restore', async () => {
    await play('backup', 1);
    await kubectl('delete namespace shop');
    await play('restore', 1);
    expect(await kubectl('get namespace shop -o name')).toBe('namespace/shop\n');
    const saved = await play('snapshots', 1);
    handbook.learn(
      'saved-before-upgrade-2026-01-31T12-00-00Z.backup',
      /saved-before-upgrade-\S+\.backup/.exec(saved)![0],
    );
    await play('snapshot-rm', 1);
    expect(await handbook.sh(1, 'gantry snapshot ls')).not.toContain('before-upgrade');
  });

  test('The server is lost', async () => {
    await handbook.kill(1);
    for (const place of ['var/lib/gantry', 'etc/systemd/system/gantry.service'])
      rmSync(join(handbook.directoryOf(1), place), { recursive: true });
    await handbook.boot(1);
    await play('server-lost', 1);
    expect(await kubectl('get namespace shop -o name')).toBe('namespace/shop\n');
    await eventually('both nodes are Ready', async () => {
      const said = await handbook.sh(1, 'gantry node ls');
      return (said.match(/ Ready /g) ?? []).length === 2 || undefined;
    });
  });

  test('From SQLite to etcd, and More servers', async () => {
    await play('leave', 2);
    await play('promote', 1);
    learnLine(await play('server-token', 1));
    await play('server-join', 2);
    await votes(2);
    await handbook.boot(3);
    await handbook.sh(3, 'gantry purge --yes');
    await play('server-join', 3);
    await votes(3);
    // etcd tells systemd nothing: it is not the unit.
    expect(await handbook.sh(3, 'journalctl -u gantry')).not.toContain('notify systemd');
    await kubectl('wait --for=create node/node-3 --timeout=60s');
    await play('servers', 1);
  });

  test('a member is removed, and comes back', async () => {
    await play('etcd-remove', 1);
    await eventually('its machine has ended', async () => {
      const said = await handbook.sh(2, 'systemctl is-active gantry || true');
      return said === 'inactive\n' || undefined;
    });
    await play('purge', 2);
    await play('server-join', 2);
    await votes(3);
  });

  test('Most members are gone for good', async () => {
    for (const machine of [2, 3]) await handbook.kill(machine);
    await play('majority-lost', 1);
    await play('recover-look', 1);
    await play('recover', 1);
    expect(await kubectl('get namespace shop -o name')).toBe('namespace/shop\n');
    await handbook.boot(2);
    await play('purge', 2);
    await handbook.sh(
      1,
      'systemctl stop gantry && rm -r /var/lib/gantry/etcd/data && gantry recover --from /var/backups/cluster.backup || true',
    );
    await play('recover-from', 1);
    expect(await kubectl('get namespace shop -o name')).toBe('namespace/shop\n');
  });

  test('One address for all servers', async () => {
    handbook.learn('10.0.0.100', '192.0.2.100');
    handbook.learn('10-0-0-100', '192-0-2-100');
    await play('virtual-address', 1);
    // An address is in the certificate anyway.
    handbook.learn('api.example.org', lab.hosts[0]!.address);
    expect(await play('kubeconfig', 1)).toContain(`server: "https://${lab.hosts[0]!.address}:6443"`);
  });

  test('an etcd that others run', async () => {
    const etcd = new TestEtcd(lab.hosts[1]!, lab.hosts[1]!.address);
    try {
      await etcd.start();
      handbook.learn('etcd://10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379', etcd.store);
      await play('etcd-maintenance', 1);
    } finally {
      await etcd.remove();
    }
  });
});
