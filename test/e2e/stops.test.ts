import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { eventually } from '../harness/run.ts';
import { Web } from '../harness/web.ts';

/** The ways a node stops: as asked, killed, all at once, and by a reboot. */
describe.skipIf(whyNoHost())('stops', () => {
  const cluster = new TestCluster();
  const web = new Web(cluster);

  beforeAll(async () => {
    await cluster.start();
    await web.deploy();
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  const gone = (pids: readonly number[]) =>
    eventually('the processes end', async () =>
      pids.some((pid) => existsSync(`/proc/${pid}`)) ? undefined : true,
    );

  test('SIGTERM: a clean stop within seconds, pods run on and serve, and the next start finds them', async () => {
    await web.allReady();
    const before = { ids: await web.ids(), programs: web.programs() };
    const began = performance.now();
    await cluster.stop();
    console.log(`stopped within ${Math.round(performance.now() - began)} ms`);
    expect([...cluster.pids('server'), ...cluster.pids('agent')]).toEqual([]);
    expect(existsSync(join(cluster.directory, 'run/gantry.pid'))).toBe(false);
    expect(web.programs()).toEqual(before.programs);
    expect(await web.answers()).toBe(true);
    await cluster.up();
    await web.sameIds(before.ids);
    expect(web.programs()).toEqual(before.programs);
  });

  test('a second up on the same directory is refused, and says by whom it is used', async () => {
    const [pid] = cluster.pids('up');
    const refused = cluster.gantry(['up', '--node-name', 'node-1']);
    await expect(refused).rejects.toThrow(`${cluster.directory} is in use by process ${pid}`);
    expect(cluster.pids('up')).toEqual([pid]);
    expect(await web.answers()).toBe(true);
  });

  test('kill -9 of gantry up: server and agent do not stay behind, the next start works', async () => {
    const before = { ids: await web.ids(), programs: web.programs() };
    const roles = [...cluster.pids('server'), ...cluster.pids('agent')];
    expect(roles).toHaveLength(2);
    process.kill(cluster.pids('up')[0]!, 'SIGKILL');
    // Started at once: the roles of the old one are still on their way out.
    await cluster.up();
    await gone(roles);
    expect(web.programs()).toEqual(before.programs);
    await web.sameIds(before.ids);
    expect(await web.answers()).toBe(true);
  });

  test('helper and all monitors die with everything else: their containers are ended and started again', async () => {
    await web.allReady();
    const uids = (await web.ids()).map((id) => id.split(' ')[0]);
    const before = web.programs();
    killAll(['up', 'server', 'agent', 'helper', 'monitor']);
    await cluster.up();
    await eventually('every program is a new one', async () => {
      const now = web.programs();
      return now.length === 3 && !now.some((pid) => before.includes(pid)) ? true : undefined;
    });
    await web.allReady();
    expect((await web.ids()).map((id) => id.split(' ')[0])).toEqual(uids);
    await eventually('the Service answers', () => web.answers());
  });

  test('a reboot: nothing runs, the run directory is stale; pods are started again', async () => {
    await web.allReady();
    const before = await web.ids();
    const programs = web.programs();
    killAll(['up', 'server', 'agent', 'helper', 'monitor']);
    for (const pid of programs) process.kill(pid, 'SIGKILL');
    await gone(programs);
    // The pid is somebody else's after a reboot; links, rules and addresses are gone.
    const pidFile = join(cluster.directory, 'run/gantry.pid');
    expect(readFileSync(pidFile, 'utf8')).toMatch(/^\d+\n$/);
    await cluster.reboot();
    const began = performance.now();
    await cluster.up();
    // Until the agent has looked, the API still shows what was before.
    await eventually('all containers are new ones', async () =>
      (await web.ids()).some((id) => before.includes(id)) ? undefined : true,
    );
    await web.allReady();
    console.log(`all pods ready ${Math.round(performance.now() - began)} ms after the reboot`);
    const after = await web.ids();
    expect(after.map((id) => id.split(' ')[0])).toEqual(before.map((id) => id.split(' ')[0]));
    await eventually('the Service answers', () => web.answers());
    const [pod] = await web.pods();
    expect((await cluster.must(['exec', pod!.metadata.name, '--', 'echo', 'alive'])).trim()).toBe('alive');
  });

  /** Only what names this instance's directory on its command line. */
  function killAll(roles: readonly ('up' | 'server' | 'agent' | 'helper' | 'monitor')[]): void {
    const pids = roles.flatMap((role) => cluster.pids(role));
    for (const pid of pids) process.kill(pid, 'SIGKILL');
  }
});
