import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { killHost } from '../harness/host-processes.ts';
import { Lab, type LabHost } from '../harness/lab.ts';
import { TestMachine } from '../harness/machine.ts';
import { eventually, type Ran, run } from '../harness/run.ts';

const GANTRY = join(import.meta.dirname, '../../bin/gantry');

const MISSING =
  whyNoHost() ?? (process.env['GANTRY_E2E_STORE'] ? 'begins with the embedded store' : undefined);

/** A cluster on SQLite gets an etcd of its own and two more servers, which are lost for good; and then all data of etcd. */
describe.skipIf(MISSING)(`gantry recover${MISSING ? ` (${MISSING})` : ''}`, () => {
  const lab = new Lab({ hosts: 3 });
  const [one, two, three] = lab.hosts as [LabHost, LabHost, LabHost];
  const cluster = new TestCluster(one);
  const second = new TestMachine(two, 'node-2');
  const third = new TestMachine(three, 'node-3');
  const flags = ['--leader-lease', '3s'];

  const gantry = (args: readonly string[], machine: TestCluster | TestMachine = cluster): Promise<Ran> =>
    run(...machine.host.inside(GANTRY, [...args, '--data-dir', machine.directory]), { timeoutMs: 120_000 });
  const orLogs = async <T>(what: string, look: () => Promise<T | undefined>) =>
    await eventually(what, look, { timeoutMs: 60_000 }).catch((error) => {
      const logs = [cluster.log, second.log, third.log].map((log) => log.split('\n').slice(-25).join('\n'));
      throw new Error(`${error.message}\n${logs.join('\n--\n')}`);
    });
  const members = async () =>
    JSON.parse((await gantry(['etcd', 'status', '-o', 'json'])).stdout || '[]') as {
      fault?: string;
      revision: number;
    }[];
  const alike = (count: number) =>
    orLogs(`${count} members hold the same`, async () => {
      const found = await members();
      const revisions = new Set(found.map(({ revision, fault }) => fault ?? revision));
      return (found.length === count && revisions.size === 1) || undefined;
    });
  const lineFor = async (machine: TestMachine) => {
    const made = await cluster.gantry(['token', 'create', '--role', 'server', '-o', 'json']);
    const { command } = JSON.parse(made) as { command: string };
    machine.start(command);
    return command;
  };
  const write = (name: string) => cluster.must(['create', 'configmap', name, '--from-literal=n=1']);
  const names = async () =>
    (await cluster.must(['get', 'configmaps', '-o', 'name']))
      .split('\n')
      .filter((name) => name.includes('/w-'));
  const version = async () =>
    Number(JSON.parse(await cluster.must(['get', '--raw', '/api/v1/configmaps'])).metadata.resourceVersion);
  let line = '';
  /** What there was when the others were lost. */
  let before = { names: [''], version: 0 };

  beforeAll(async () => {
    await lab.create();
    await cluster.up(flags);
    await cluster.must(['create', 'configmap', 'of-before']);
  });
  afterAll(async () => {
    const left: string[] = [];
    for (const machine of [third, second]) left.push(...(await machine.destroy()));
    left.push(...(await cluster.destroy()));
    await lab.remove();
    expect(left).toEqual([]);
  });

  test('from SQLite it goes to an etcd of its own, which others join', async () => {
    const { store, heldMs, awayMs } = JSON.parse(
      await cluster.gantry(['promote', '--etcd', 'managed', '-o', 'json']),
    );
    console.log(`      writes held for ${heldMs} ms, ready again after ${awayMs} ms`);
    expect(store).toBe('etcd');
    await cluster.must(['get', 'configmap', 'of-before']);
    await lineFor(second);
    await alike(2);
    line = await lineFor(third);
    await alike(3);
  });

  test('with a majority nothing is recovered', async () => {
    const { code, stderr } = await gantry(['recover', '--yes']);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('has a majority') });
  });

  test('two of three are lost: it says what is there and what would be lost, and changes nothing', async () => {
    for (let i = 0; i < 10; i++) await write(`w-${i}`);
    before = { names: await names(), version: await version() };
    await alike(3);
    for (const machine of [two, three]) await killHost(machine.name);
    const seen = await orLogs('the others are away', async () => {
      const ran = await gantry(['recover']);
      return ran.stdout.includes('1 answers') ? ran : undefined;
    });
    expect(seen.code).toBe(1);
    for (const word of ['2 are needed', 'this machine, revision ', 'Taken out: node-2, node-3.'])
      expect(seen.stdout).toContain(word);
    const { code, stderr } = await gantry(['recover', '--yes']);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('Stop gantry') });
  });

  test('this machine goes on alone, with all that was acknowledged and no version twice', async () => {
    expect(before.names).toHaveLength(10);
    // To stop without a majority takes until its supervisor's patience is over.
    await killHost(one.name);
    const { stdout, stderr } = await gantry(['recover', '--yes']);
    expect(stdout, stderr).toContain('recovered: node-1 is the only member');
    await cluster.up(flags);
    expect(await names()).toEqual(before.names);
    expect(await version()).toBeGreaterThan(before.version);
    await write('w-after');
    expect(await members()).toHaveLength(1);
    const old = `/api/v1/configmaps?watch=true&timeoutSeconds=1&resourceVersion=${before.version}`;
    expect((await cluster.must(['get', '--raw', old])).trim()).toMatch(/"code":410/);
  });

  test('one that comes back with its old data ends by itself, and joins again once it is purged', async () => {
    third.start(line);
    await orLogs('it ends', async () => third.log.includes('was taken out of the cluster') || undefined);
    await third.stop();
    await third.gantry(['purge', '--yes']);
    await lineFor(third);
    await alike(2);
    expect(await names()).toHaveLength(11);
  });

  test('when the data of all is gone, a snapshot is begun anew with', async () => {
    await cluster.gantry(['snapshot', 'save', 'kept']);
    const [{ file }] = JSON.parse(await cluster.gantry(['snapshot', 'ls', '-o', 'json']));
    before = { names: await names(), version: await version() };
    for (const machine of [three, one]) await killHost(machine.name);
    rmSync(join(cluster.directory, 'etcd/data'), { recursive: true });
    const { stderr } = await gantry(['recover', '--yes']);
    expect(stderr).toContain('from a snapshot (--from FILE)');
    const { stdout, stderr: said } = await gantry(['recover', '--from', file, '--yes']);
    expect(stdout, said).toContain('recovered: node-1 is the only member');
    await cluster.up(flags);
    expect(await names()).toEqual(before.names);
    expect(await version()).toBeGreaterThan(before.version);
    await write('w-last');
  });
});
