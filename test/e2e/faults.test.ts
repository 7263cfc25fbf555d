import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConfigMap } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import type { Ledger } from '../harness/ledger.ts';
import { requestLoad, writeLoad } from '../harness/load.ts';
import { eventually } from '../harness/run.ts';
import { Web } from '../harness/web.ts';

type Role = 'server' | 'agent' | 'helper' | 'monitor' | 'up';

/** Self-repair: anything may be killed at any time, under load. */
describe.skipIf(whyNoHost())('faults', () => {
  const cluster = new TestCluster();
  const web = new Web(cluster);

  beforeAll(async () => {
    await cluster.start();
    await web.deploy();
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  /** kill -9 of one process of a role, told by its command line; its pid. */
  function kill(role: Role): number {
    const [pid] = cluster.pids(role);
    expect(pid, `no ${role} runs`).toBeDefined();
    process.kill(pid!, 'SIGKILL');
    return pid!;
  }

  /** Resolves when `look` is true; prints how long that took. Never fails for being slow. */
  async function timed(what: string, look: () => Promise<boolean>): Promise<void> {
    const began = performance.now();
    await eventually(what, async () => ((await look()) ? true : undefined), { everyMs: 10 });
    console.log(`${what}: ${Math.round(performance.now() - began)} ms`);
  }

  async function expectNothingLost(ledger: Ledger): Promise<void> {
    const { items } = await cluster.json<{ items: ConfigMap[] }>(['get', 'configmaps']);
    const held = new Map(items.map((item) => [item.metadata.name, Number(item.data?.['n'])]));
    expect(ledger.lost(held)).toEqual([]);
  }

  /** Runs `act` while ConfigMaps are written and the Service is asked; what came of both. */
  async function underLoad(name: string, act: (writes: Ledger) => Promise<void>) {
    const writes = writeLoad(cluster, name);
    const requests = requestLoad(cluster, web.url);
    try {
      await eventually('some writes are acknowledged', async () =>
        writes.ledger.size >= 3 ? true : undefined,
      );
      await act(writes.ledger);
    } finally {
      await writes.stop();
    }
    const served = await requests.stop();
    console.log(
      `${name}: ${served.answered} answered, ${served.failed} failed, ${writes.ledger.size} written`,
    );
    expect(served.answered).toBeGreaterThan(0);
    await expectNothingLost(writes.ledger);
    return served;
  }

  test('a killed container process is started again, in the same pod', async () => {
    const before = await web.pods();
    const restarts = async () =>
      (await web.pods()).filter((pod) => pod.status?.containerStatuses?.[0]?.restartCount === 1).length;
    await underLoad('container', async () => {
      process.kill(web.programs()[0]!, 'SIGKILL');
      await timed('the restart is counted', async () => (await restarts()) === 1);
      await web.allReady();
    });
    expect((await web.pods()).map(({ metadata }) => metadata.uid).sort()).toEqual(
      before.map(({ metadata }) => metadata.uid).sort(),
    );
  });

  test('a deleted pod is replaced', async () => {
    const [first] = await web.pods();
    await underLoad('delete', async () => {
      await cluster.must(['delete', 'pod', first!.metadata.name]);
      await web.allReady();
    });
    expect((await web.pods()).map(({ metadata }) => metadata.name)).not.toContain(first!.metadata.name);
  });

  const back: Record<'server' | 'agent' | 'helper', (old: number) => Promise<boolean>> = {
    server: async () => (await cluster.kubectl(['get', '--raw', '/readyz'])).code === 0,
    // It has taken its containers over when one of them can be reached through it.
    agent: async () => (await cluster.kubectl(['exec', 'deployment/web', '--', 'true'])).code === 0,
    helper: async (old) => cluster.pids('helper').some((pid) => pid !== old),
  };

  test.each(['server', 'agent', 'helper'] as const)(
    'kill -9 of the %s: containers run on and serve, nothing acknowledged is lost',
    async (role) => {
      await web.allReady();
      const before = { ids: await web.ids(), programs: web.programs() };
      const served = await underLoad(role, async (ledger) => {
        const old = kill(role);
        await timed(`a new ${role} is at work`, () => back[role](old));
        const { size } = ledger;
        await eventually('writes go on', async () => (ledger.size >= size + 3 ? true : undefined));
      });
      expect(served.failed).toBe(0);
      expect(web.programs()).toEqual(before.programs);
      await web.sameIds(before.ids);
    },
  );

  test('kill -9 of the server again and again: no write that was acknowledged is missing', async () => {
    const before = web.programs();
    const served = await underLoad('again', async () => {
      for (let i = 0; i < 3; i++) {
        kill('server');
        await eventually('it is ready again', async () => ((await back.server(0)) ? true : undefined));
      }
    });
    expect(served.failed).toBe(0);
    expect(web.programs()).toEqual(before);
  });

  test('after the kills a new pod starts, and logs and exec work', async () => {
    await cluster.must(['scale', 'deployment/web', '--replicas=4']);
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=30s']);
    for (const pod of await web.pods()) {
      expect((await cluster.must(['exec', pod.metadata.name, '--', 'echo', 'alive'])).trim()).toBe('alive');
      await cluster.must(['logs', pod.metadata.name]);
    }
    await cluster.must(['scale', 'deployment/web', '--replicas=3']);
    await web.allReady();
  });

  test('kill -9 of a monitor: the containers of its pod are replaced, the others are left alone', async () => {
    const before = await web.ids();
    const programs = web.programs();
    await underLoad('monitor', async () => {
      kill('monitor');
      await timed('one pod has new containers', async () => {
        const now = await web.ids();
        return now.filter((id) => before.includes(id)).length === 2;
      });
      await web.allReady();
    });
    expect(web.programs().filter((pid) => programs.includes(pid))).toHaveLength(2);
    expect(web.programs()).toHaveLength(3);
    const { stdout } = await cluster.inside('ip', ['-o', 'link', 'show', 'type', 'veth']);
    expect(stdout.trim().split('\n')).toHaveLength(3);
  });

  test('the log holds no stack of an unexpected error', () => {
    expect(readFileSync(cluster.logFile, 'utf8')).not.toMatch(/TypeError|ReferenceError|Unhandled|uncaught/i);
  });
});
