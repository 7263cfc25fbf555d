import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { hostProcesses, killHost } from '../harness/host-processes.ts';
import { Lab, type LabHost } from '../harness/lab.ts';
import type { Ledger } from '../harness/ledger.ts';
import { failoverWriteLoad } from '../harness/load.ts';
import { TestMachine } from '../harness/machine.ts';
import { eventually, mustRun, type Ran, run } from '../harness/run.ts';

interface Member {
  endpoint: string;
  isLeader?: boolean;
  fault?: string;
  alarms?: string[];
}

/** Three servers that run their etcd themselves, and what goes on when parts of it go. */
describe.skipIf(whyNoHost())('managed etcd', () => {
  const lab = new Lab({ hosts: 3 });
  const [one, two, three] = lab.hosts as [LabHost, LabHost, LabHost];
  const cluster = new TestCluster(one);
  const second = new TestMachine(two, 'node-2');
  const third = new TestMachine(three, 'node-3');
  const flags = ['--etcd', 'managed', '--leader-lease', '3s'];
  const lines = new Map<TestMachine, string>();

  /** kubectl on the machine of a server, asking that one. */
  const at = async (
    machine: TestMachine | TestCluster,
    args: readonly string[],
    timeoutMs = 10_000,
  ): Promise<Ran> => {
    const env = { KUBECONFIG: join(machine.directory, 'admin.kubeconfig'), HOME: machine.directory };
    const [command, all] = machine.host.inside(cluster.kubectlBinary, args);
    return await run(command, all, { env, timeoutMs });
  };
  const orLog = async <T>(what: string, look: () => Promise<T | undefined>, ms = 60_000) =>
    await eventually(what, look, { timeoutMs: ms }).catch((error) => {
      const logs = [cluster.log, second.log, third.log].map((log) => log.split('\n').slice(-25).join('\n'));
      throw new Error(`${error.message}\n${logs.join('\n--\n')}`);
    });
  const served = (machine: TestMachine | TestCluster) =>
    orLog(`${machine.directory} serves`, async () =>
      (await at(machine, ['get', '--raw', '/readyz'])).code === 0 ? true : undefined,
    );
  const members = async (machine: TestMachine | TestCluster = cluster): Promise<Member[]> => {
    const args = ['etcd', 'status', '-o', 'json', '--data-dir', machine.directory];
    const ran = await run(...machine.host.inside(join(import.meta.dirname, '../../bin/gantry'), args));
    return ran.stdout === '' ? [] : (JSON.parse(ran.stdout) as Member[]);
  };
  const voting = (count: number, machine?: TestMachine | TestCluster) =>
    orLog(`${count} members answer`, async () => {
      const found = await members(machine);
      return found.length === count && found.every(({ alarms }) => alarms?.length === 0) ? found : undefined;
    });
  const joins = async (machine: TestMachine) => {
    const made = await cluster.gantry(['token', 'create', '--role', 'server', '-o', 'json']);
    lines.set(machine, JSON.parse(made).command);
    machine.start(lines.get(machine)!);
    await served(machine);
  };

  /** Writes on by whichever server answers, until it is told to stop. */
  const writer = (servers: (TestMachine | TestCluster)[]) =>
    failoverWriteLoad(
      servers.map((server) => (args) => at(server, args)),
      'w',
    );
  const lost = async (ledger: Ledger, machine: TestMachine | TestCluster) => {
    const { stdout } = await at(machine, ['get', 'configmaps', '-o', 'json']);
    const { items } = JSON.parse(stdout) as { items: { metadata: { name: string }; data?: { n: string } }[] };
    return ledger.lost(new Map(items.map(({ metadata, data }) => [metadata.name, Number(data?.n)])));
  };

  beforeAll(async () => {
    await lab.create();
    await cluster.up(flags);
  });
  afterAll(async () => {
    const left: string[] = [];
    for (const machine of [third, second]) left.push(...(await machine.destroy()));
    left.push(...(await cluster.destroy()));
    await lab.remove();
    expect(left).toEqual([]);
  });

  test('the first server runs an etcd of its own, for nobody without a certificate', async () => {
    const [member, ...more] = await voting(1);
    expect(more).toEqual([]);
    expect(member).toMatchObject({ endpoint: `${one.address}:2379`, isLeader: true });
    expect(statSync(join(cluster.directory, 'etcd')).mode & 0o777).toBe(0o700);
    for (const url of [`https://${one.address}:2379/health`, `https://${one.address}:2380/version`]) {
      const { code, stdout } = await run(...one.inside('curl', ['-sk', '-m', '5', url]));
      expect({ refused: code !== 0, stdout }).toEqual({ refused: true, stdout: '' });
    }
  });

  test('stopped, it is backed up and restored by itself; started again, it needs no flag', async () => {
    // The only member is killed, and the server waits for it.
    const servers = cluster.pids('server');
    process.kill(cluster.pids('etcd')[0]!, 'SIGKILL');
    await orLog('a write is answered', async () => {
      const { code, stderr } = await at(cluster, ['create', 'configmap', 'kept']);
      return code === 0 || stderr.includes('already exists') || undefined;
    });
    expect(cluster.pids('server')).toEqual(servers);
    await cluster.stop();
    const file = join(cluster.directory, 'cluster.backup');
    expect(await cluster.gantry(['backup', file])).toContain('entries');
    expect(await cluster.gantry(['restore', file, '--force'])).toContain('restored');
    expect(cluster.pids('etcd')).toEqual([]);
    await cluster.up(['--leader-lease', '3s']);
    expect(await voting(1)).toHaveLength(1);
    expect((await cluster.must(['get', 'configmap', 'kept', '-o', 'name'])).trim()).toBe('configmap/kept');
  });

  test('a token for nodes makes no member', async () => {
    const other = new TestMachine(three, 'node-9');
    const made = await cluster.gantry(['token', 'create', '--role', 'node', '-o', 'json']);
    const { code, stderr } = await other.run(`${JSON.parse(made).command} --role server`);
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('this token makes nodes'),
    });
    expect(await other.destroy()).toEqual([]);
    expect(await members()).toHaveLength(1);
  });

  test('others join as servers, and each knows all members without a restart', async () => {
    await joins(second);
    await joins(third);
    const all = await voting(3);
    expect(all.filter(({ isLeader }) => isLeader)).toHaveLength(1);
    for (const machine of [cluster, second, third])
      await orLog('all members are written down', async () => {
        const text = readFileSync(join(machine.directory, 'etcd/members.json'), 'utf8');
        return (text.match(/"isLearner": false/g) ?? []).length === 3 || undefined;
      });
    expect(second.log).toContain('etcd of this machine has its vote');
  });

  test('an etcd that is killed comes back, and nothing is lost', async () => {
    const load = writer([cluster, second, third]);
    await orLog('it writes', async () => load.ledger.size > 2 || undefined);
    const [etcd] = cluster.pids('etcd');
    const [server] = cluster.pids('server');
    process.kill(etcd!, 'SIGKILL');
    await orLog('it is back', async () => {
      const [now] = cluster.pids('etcd');
      return (now !== undefined && now !== etcd) || undefined;
    });
    await voting(3);
    const { longestMs } = await load.stop();
    console.log(`      ${load.ledger.size} writes, the longest pause ${Math.round(longestMs)} ms`);
    expect(await lost(load.ledger, cluster)).toEqual([]);
    expect(cluster.pids('server')).toEqual([server]);
  });

  test('etcd ends with its supervisor, however that ends, and comes back with the next one', async () => {
    const [supervisor] = cluster.pids('up');
    const etcd = cluster.pids('etcd');
    process.kill(supervisor!, 'SIGKILL');
    cluster.spawn(flags);
    await orLog('it is another one', async () => {
      const now = cluster.pids('etcd');
      return (now.length === 1 && now[0] !== etcd[0]) || undefined;
    });
    await served(cluster);
    await voting(3);
  });

  test('the machine of the etcd leader dies: writes go on, and it comes back', async () => {
    const found = await members();
    const leader = found.find(({ isLeader }) => isLeader)!.endpoint.split(':')[0];
    const dying = [cluster, second, third].find(({ host }) => host.address === leader)!;
    const others = [cluster, second, third].filter((machine) => machine !== dying);
    const load = writer(others);
    await orLog('it writes', async () => load.ledger.size > 2 || undefined);
    await killHost(dying.host.name);
    const before = load.ledger.size;
    await orLog('it writes on', async () => load.ledger.size > before + 5 || undefined);
    const { longestMs } = await load.stop();
    console.log(`      ${load.ledger.size} writes, the longest pause ${Math.round(longestMs)} ms`);
    expect(await lost(load.ledger, others[0]!)).toEqual([]);
    const [here] = (await members(others[0]!)).filter(({ fault }) => fault !== undefined);
    expect(here?.endpoint).toBe(`${leader}:2379`);
    if (dying === cluster) cluster.spawn(flags);
    else (dying as TestMachine).start(lines.get(dying as TestMachine)!);
    await served(dying);
    await voting(3, dying);
    expect(await lost(load.ledger, dying)).toEqual([]);
  });

  test('a machine that leaves takes its member along, and may come again', async () => {
    await third.gantry(['leave', '--no-drain', '--node-name', 'node-3']);
    expect(await voting(2, second)).toHaveLength(2);
    expect(existsSync(join(third.directory, 'etcd'))).toBe(false);
    await joins(third);
    await voting(3);
  });

  test('a member is removed, and its machine says so and ends', async () => {
    const said = await cluster.gantry(['etcd', 'remove', 'node-2']);
    expect(said).toContain(`removed node-2 at ${two.address}:2379`);
    await orLog('its machine has ended', async () =>
      existsSync(join(second.directory, 'run/gantry.pid')) ? undefined : true,
    );
    expect(second.log).toContain('this member was taken out of the cluster');
    await voting(2);
  });

  test('without a majority it is said who is away, and what to do', async () => {
    await killHost(three.name);
    const create = at(cluster, ['create', 'configmap', 'x'], 60_000);
    const { stderr } = await orLog('it is not ready', async () => {
      const ran = await at(cluster, ['get', '--raw', '/readyz?verbose']);
      return ran.stderr.includes('[-]store-writes') ? ran : undefined;
    });
    const why = `1 of 2 members of etcd answers and 2 are needed; away: node-3 at ${three.address}:2379`;
    expect(stderr).toContain(why);
    const refused = await create;
    expect(refused.stderr).toContain(why);
    expect(refused.stderr).toContain('"gantry recover"');
  });

  test('the other one comes back with another address, and all goes on', async () => {
    const moved = three.address.replace(/\d+$/, '77');
    const script = `ip address flush dev uplink; ip address add ${moved}/24 dev uplink; ip route add default via ${moved.replace(/\d+$/, '1')}`;
    await mustRun(...three.inside('sh', ['-c', script]));
    third.start(lines.get(third)!);
    await served(third);
    await served(cluster);
    const found = await voting(2);
    expect(found.map(({ endpoint }) => endpoint).sort()).toEqual([`${one.address}:2379`, `${moved}:2379`]);
    expect(third.log).toContain('This machine has another address');
  });

  test('no etcd runs on a machine after its roles have stopped', async () => {
    await third.stop();
    const programs = hostProcesses(three.name).map((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim());
    expect(programs).not.toContain('etcd');
  });
});
