import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findings } from '#hack/chaos-run/checks.ts';
import { ChaosCluster } from '#hack/chaos-run/cluster.ts';
import { apply } from '#hack/chaos-run/faults.ts';
import type { Machine } from '#hack/chaos-run/machine.ts';
import { lineOf, play } from '#hack/chaos-run/play.ts';
import { availability, faultRows, table } from '#hack/chaos-run/report.ts';
import { timeline } from '#hack/chaos-run/schedule.ts';
import { whyNoHost } from '../harness/host.ts';
import { eventually, run } from '../harness/run.ts';

const CHAOS_MS = 300_000;
const SIZE = { hosts: 5, servers: 3 };

/**
 * Three servers with an etcd each, and two nodes more, used from outside all the while: planned restarts, deaths and partitions
 * one by one, then whatever a seed brings. At the end everything that was acknowledged is there.
 */
describe.skipIf(whyNoHost())(
  'a cluster that is used while it breaks',
  { timeout: CHAOS_MS + 240_000 },
  () => {
    let cluster: ChaosCluster;
    let machines: Machine[];
    /** What the client saw from when `during` began until it has ended. */
    const seenDuring = async (during: () => Promise<void>) => {
      const from = Date.now();
      await during();
      return cluster.seen().filter(({ t }) => t >= from);
    };
    const well = () => cluster.untilWell();
    const createAt = (machine: Machine, name: string) =>
      cluster.kubectl(['create', 'configmap', name, '--request-timeout=4s'], { server: machine });

    beforeAll(async () => {
      cluster = await ChaosCluster.create(SIZE);
      machines = [...cluster.machines.values()];
      await cluster.start();
      cluster.startClient();
    });
    afterAll(async () => {
      expect(await cluster.remove()).toEqual([]);
    });

    test('everything is restarted, one machine after the other, and no record is refused', async () => {
      const seen = await seenDuring(async () => {
        for (const machine of machines) {
          await machine.stop();
          machine.start();
          await well();
        }
      });
      const records = seen.filter(({ op }) => op === 'record');
      expect(records.length).toBeGreaterThan(100);
      expect(records.filter((line) => line.op === 'record' && !line.ok)).toEqual([]);
      console.log(`      writes of objects meanwhile: ${JSON.stringify(availability(seen, 'create'))}`);
    });

    test('a server dies by kill -9: records go on, and writes at another server', async () => {
      const seen = await seenDuring(async () => {
        await apply({ kind: 'kill', host: 'h1', role: 'up' }, cluster);
        await apply({ kind: 'kill', host: 'h1', role: 'server' }, cluster);
        await well();
      });
      expect(seen.filter((line) => line.op === 'record' && !line.ok)).toEqual([]);
      expect(seen.filter((line) => line.op === 'create' && line.ok).length).toBeGreaterThan(0);
      console.log(`      writes of objects meanwhile: ${JSON.stringify(availability(seen, 'create'))}`);
    });

    test('etcd loses its leader: one is elected, and every server goes on', async () => {
      const leader = await cluster.etcdLeader();
      const seen = await seenDuring(async () => {
        await apply({ kind: 'kill', host: leader.name, role: 'etcd' }, cluster);
        // It may be the same one: it is back within moments.
        await eventually('one leads', () => cluster.etcdLeader().catch(() => undefined));
        for (const server of cluster.servers)
          await eventually(`${server.name} takes writes`, async () =>
            (await createAt(server, `after-election-${server.name}`)).code === 0 ? true : undefined,
          );
        await well();
      });
      expect(seen.filter((line) => line.op === 'record' && !line.ok)).toEqual([]);
      console.log(`      writes of objects meanwhile: ${JSON.stringify(availability(seen, 'create'))}`);
    });

    test('the smaller side of a partition takes no writes, the larger one does, and they agree afterwards', async () => {
      const pods = await Promise.all(cluster.servers.map((server) => cluster.recordsPod(server)));
      const at = pods.findIndex((pod) => pod !== undefined);
      const [one, two] = [cluster.servers[at]!, cluster.servers[(at + 1) % SIZE.servers]!];
      const others = machines.filter((machine) => machine !== one).map(({ name }) => name);
      const end = await apply({ kind: 'partition', sides: [[one.name], others], forMs: 0 }, cluster);
      await eventually('the larger side takes writes', async () =>
        (await createAt(two, 'larger-side')).code === 0 ? true : undefined,
      );
      const refused = await createAt(one, 'smaller-side');
      expect(refused.code).not.toBe(0);
      // Nor does it show what it can no longer know to be the newest.
      const stale = await cluster.kubectl(['get', 'configmap', 'larger-side', '--request-timeout=4s'], {
        server: one,
      });
      expect(stale.stderr).not.toContain('NotFound');
      // What it runs serves on.
      const url = `http://${pods[at]!.status!.podIP}:8080/cgi-bin/health`;
      expect((await run(...one.host.inside('curl', ['-sf', '-m', '2', url]))).stdout).toBe('ok\n');
      await end();
      await well();
      // What was refused may have been on its way still, but then all have it.
      const views = new Set<string>();
      for (const server of cluster.servers) {
        const { stdout } = await cluster.kubectl(['get', 'configmaps', '-o', 'name'], { server });
        expect(stdout, server.name).toContain('larger-side');
        views.add(stdout);
      }
      expect([...views]).toHaveLength(1);
    });

    test('whatever comes, nothing that was acknowledged is lost', async () => {
      const seed = Date.now() % 1_000_000;
      const events = timeline(seed, { durationMs: CHAOS_MS, ...SIZE });
      const startedAt = Date.now();
      console.log(
        [`      hack/chaos --seed ${seed} --minutes ${CHAOS_MS / 60_000}`, ...events.map(lineOf)].join('\n'),
      );
      await play(events, cluster, () => {});
      const { seen, held } = await cluster.outcome();
      const totals = { records: availability(seen, 'record'), writes: availability(seen, 'create') };
      console.log(table(faultRows(events, startedAt, seen), totals));
      expect(findings(seen, held)).toEqual([]);
    });
  },
);
