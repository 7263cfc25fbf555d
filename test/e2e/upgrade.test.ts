import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConfigMap, Node, Pod } from '#api/objects.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import { TestCluster } from '../harness/cluster.ts';
import { blocksOf } from '../harness/handbook.ts';
import { whyNoHost } from '../harness/host.ts';
import { Lab, type LabHost } from '../harness/lab.ts';
import { failoverWriteLoad, requestLoad } from '../harness/load.ts';
import { TestMachine } from '../harness/machine.ts';
import { eventually, mustRun, type Ran, type RunOptions, run } from '../harness/run.ts';

const ROOT = join(import.meta.dirname, '../..');
const NOW: string = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version;
const [major, minor] = NOW.split('.').map(Number) as [number, number];
const NEXT = `${major}.${minor + 1}.0`;
const BROKEN = `${major}.${minor + 1}.1`;
const blocks = blocksOf(readFileSync(join(ROOT, 'docs/operations.md'), 'utf8'));
const FAR = `${major}.${minor + 2}.0`;

/** Three servers with an etcd of their own and two nodes go from one version to the next, as docs/operations.md tells. */
describe.skipIf(whyNoHost())('an upgrade', () => {
  const lab = new Lab({ hosts: 5 });
  const hosts = lab.hosts as [LabHost, LabHost, LabHost, LabHost, LabHost];
  const cluster = new TestCluster(hosts[0]);
  const [second, third, fourth, fifth] = hosts
    .slice(1)
    .map((host, i) => new TestMachine(host, `node-${i + 2}`)) as [
    TestMachine,
    TestMachine,
    TestMachine,
    TestMachine,
  ];
  const servers = [cluster, second, third];
  const versions = mkdtempSync(join(tmpdir(), 'gantry-versions-'));
  const folderOf = (version: string) => join(versions, version);

  /** kubectl on the machine of a server, asking that one. */
  const at =
    (machine: TestMachine | TestCluster) =>
    async (args: readonly string[], options: RunOptions = {}): Promise<Ran> => {
      const env = { KUBECONFIG: join(machine.directory, 'admin.kubeconfig'), HOME: versions };
      return await run(...machine.host.inside(cluster.kubectlBinary, args), { ...options, env });
    };
  const logs = () =>
    [cluster, second, third, fourth, fifth]
      .map(({ log, directory }) => `-- ${directory}\n${log.split('\n').slice(-15).join('\n')}`)
      .join('\n');
  const orLogs = <T>(what: string, look: () => Promise<T | undefined>) =>
    eventually(what, look, { timeoutMs: 60_000 }).catch((error) => {
      throw new Error(`${error.message}\n${logs()}`);
    });
  /** `gantry upgrade` by the program that the machine has. */
  const tryUpgrade = async (machine: TestMachine | TestCluster, ...args: string[]): Promise<Ran> => {
    const home = machine instanceof TestCluster ? versions : machine.home;
    const linked = join(home, 'bin/gantry');
    const program = existsSync(linked) ? linked : join(ROOT, 'bin/gantry');
    const all = ['upgrade', '--data-dir', machine.directory, '--unit-dir', versions, '-o', 'json', ...args];
    const env = { GANTRY_PREFIX: join(home, 'opt'), GANTRY_BIN: join(home, 'bin') };
    return await run(...machine.host.inside(program, all), { env, timeoutMs: 120_000 });
  };
  const upgrade = async (machine: TestMachine | TestCluster, ...args: string[]) => {
    const since = performance.now();
    const { code, stdout, stderr } = await tryUpgrade(machine, ...args);
    if (code !== 0) throw new Error(`${stderr}${logs()}`);
    const facts = JSON.parse(stdout) as { node: string; from: string; to: string };
    const seconds = ((performance.now() - since) / 1000).toFixed(1);
    console.log(`      ${facts.node} from ${facts.from} to ${facts.to} in ${seconds} s`);
    return facts;
  };
  /** What docs/operations.md tells to do. */
  const play = (name: string, machine: TestMachine | TestCluster) => {
    const { commands } = blocks.find((block) => block.name === name)!;
    expect(commands).toMatch(/^gantry upgrade( --from \/opt\/gantry-0.2.0)?$/);
    const words = commands.replace('/opt/gantry-0.2.0', folderOf(NEXT)).split(' ');
    return upgrade(machine, ...words.slice(2));
  };
  const nodes = async () => {
    const { stdout } = await at(third)(['get', 'nodes', '-o', 'json']);
    return (JSON.parse(stdout) as { items: Node[] }).items;
  };
  const skewOf = async (name: string) => {
    const node = (await nodes()).find(({ metadata }) => metadata.name === name);
    return conditionOf(node?.status?.conditions, 'VersionSkew');
  };
  /** What `kubectl get --watch` tells, through that server. */
  const watchOf = (machine: TestMachine) => {
    const command = ['get', 'configmaps', '--watch', '-o', 'name'];
    const [first, args] = machine.host.inside(cluster.kubectlBinary, command);
    const env = { ...process.env, KUBECONFIG: join(machine.directory, 'admin.kubeconfig') };
    const child = spawn(first, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    ended.push(() => child.kill());
    const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
    return { lines: () => text.split('\n').length, hasEnded };
  };
  /** Of every container of the workload: its id, and how often it was started. */
  const containers = async () => {
    const pods = await cluster.json<{ items: Pod[] }>(['get', 'pods', '-l', 'app=web']);
    return pods.items
      .flatMap(({ status }) => status?.containerStatuses ?? [])
      .map(({ containerID, restartCount }) => `${containerID} ${restartCount}`)
      .sort();
  };
  /** `install`: by curl alone. */
  const line = async (role: string, how: 'command' | 'install' = 'command') =>
    JSON.parse(await cluster.gantry(['token', 'create', '--role', role, '-o', 'json']))[how] as string;
  const isReady = (machine: TestMachine) =>
    orLogs(`${machine.nodeName} is Ready`, async () => {
      const args = ['wait', '--for=condition=Ready', `node/${machine.nodeName}`, '--timeout=1s'];
      return (await cluster.kubectl(args)).code === 0 || undefined;
    });

  /** Of what was started and may still run. */
  const ended: (() => unknown)[] = [];
  let requests: ReturnType<typeof requestLoad>;
  let writes: ReturnType<typeof failoverWriteLoad>;
  let before: string[];

  beforeAll(async () => {
    await lab.create();
    const build = ['hack/build.ts', '--as', NEXT, '--to', folderOf(NEXT)];
    await mustRun(process.execPath, build, { cwd: ROOT });
    for (const version of [BROKEN, FAR]) {
      cpSync(folderOf(NEXT), folderOf(version), { recursive: true, verbatimSymlinks: true });
      const manifest = join(folderOf(version), 'package.json');
      writeFileSync(manifest, readFileSync(manifest, 'utf8').replace(`"${NEXT}"`, `"${version}"`));
    }
    // Its agent has nothing to make a container with.
    rmSync(join(folderOf(BROKEN), 'dist/bin/helper'));
    await cluster.up(['--etcd', 'managed', '--leader-lease', '3s']);
    fourth.start(await line('node', 'install'));
    fifth.start(await line('node'));
    const server = await line('server');
    for (const machine of [second, third]) {
      machine.start(server);
      await isReady(machine);
    }
    for (const machine of [fourth, fifth]) await isReady(machine);
    await cluster.loadImages(['gantry/hello:1']);
    await cluster.gantry(['image', 'load', join(ROOT, 'dist/images/gantry-hello-1.tar')]);
    await cluster.must([
      'create',
      'deployment',
      'web',
      '--image=gantry/hello:1',
      '--replicas=4',
      '--port=8080',
    ]);
    await cluster.must(['expose', 'deployment', 'web', '--port=80', '--target-port=8080', '--type=NodePort']);
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    const port = await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}']);
    before = await containers();
    requests = requestLoad({ host: hosts[4] }, `http://${hosts[3].address}:${port}/healthz`, {
      seconds: 240,
      pauseSeconds: 0.05,
    });
    writes = failoverWriteLoad(servers.map(at), 'w', 100);
    ended.push(requests.stop, writes.stop);
  });
  afterAll(async () => {
    for (const end of ended) await end();
    const left: string[] = [];
    for (const machine of [fifth, fourth, third, second]) left.push(...(await machine.destroy()));
    left.push(...(await cluster.destroy()));
    await lab.remove();
    rmSync(versions, { recursive: true, force: true });
    expect(left).toEqual([]);
  });

  test('the first server goes to the next version, and it is told that its node is ahead', async () => {
    expect(before).toHaveLength(4);
    expect(await play('upgrade-first', cluster)).toMatchObject({ from: NOW, to: NEXT });
    const told = await orLogs('the newer node is told of', async () => {
      const skew = await skewOf('node-1');
      return skew?.status === 'True' ? skew : undefined;
    });
    expect(told.message).toContain(`the node runs ${NEXT}, the server ${NOW}`);
    const script = await cluster.inside('curl', ['-sk', 'https://127.0.0.1:6443/.well-known/gantry/join.sh']);
    expect(script.stdout).toContain(`fetching gantry ${NEXT}`);
  });

  test('nodes do not go before the servers, nor servers by two versions', async () => {
    const early = await tryUpgrade(fourth);
    expect(early).toMatchObject({ code: 1, stderr: expect.stringContaining('upgrade the servers first') });
    const possible = JSON.parse((await tryUpgrade(second, '--check')).stdout);
    expect(possible).toMatchObject({ node: 'node-2', role: 'server', version: NOW, to: NEXT, reasons: [] });
    const far = await tryUpgrade(second, '--from', folderOf(FAR));
    expect(far).toMatchObject({ code: 1, stderr: expect.stringContaining('one minor version apart') });
  });

  test('the second one goes there and back, while a watch of the third goes on', async () => {
    const watched = watchOf(third);
    expect(await play('upgrade', second)).toMatchObject({ from: NOW, to: NEXT });
    expect(await upgrade(second, '--back')).toMatchObject({ from: NEXT, to: NOW });
    const seen = watched.lines();
    await orLogs('the watch goes on', async () => watched.lines() > seen + 2 || undefined);
    expect(watched.hasEnded()).toBe(false);
  });

  test('without the command: one that is too far away does not start beside the others', async () => {
    const { before: program } = JSON.parse(readFileSync(join(second.directory, 'upgrade.json'), 'utf8'));
    await second.stop();
    const words = `join https://${hosts[0].address}:6443 --role server`;
    const refused = await second.run(`${join(folderOf(FAR), 'bin/gantry')} ${words}`);
    expect(refused).toMatchObject({
      code: 78,
      stderr: expect.stringContaining(`this server is version ${FAR}`),
    });
    second.start(`${join(program, 'bin/gantry')} ${words}`);
    await orLogs('it serves again', async () =>
      (await at(second)(['get', '--raw', '/readyz'])).code === 0 ? true : undefined,
    );
  });

  test('the third server goes, then the nodes; what does not come up is undone', async () => {
    expect(await play('upgrade', third)).toMatchObject({ from: NOW, to: NEXT });
    const broken = await tryUpgrade(fourth, '--from', folderOf(BROKEN), '--timeout', '3s');
    expect(broken).toMatchObject({ code: 1, stderr: expect.stringContaining(`${NOW} runs again`) });
    for (const done of await Promise.all([fourth, fifth].map((node) => play('upgrade', node))))
      expect(done).toMatchObject({ from: NOW, to: NEXT });
    await orLogs('nobody differs any more', async () => {
      const isAhead = ({ status }: Node) => conditionOf(status?.conditions, 'VersionSkew')?.status === 'True';
      return !(await nodes()).some(isAhead) || undefined;
    });
    const versions = (await nodes()).map(({ status }) => status?.nodeInfo?.kubeletVersion);
    expect(versions).toEqual(Array.from({ length: 5 }, () => `v${NEXT}`));
  });

  test('no request failed, no write is missing, and no container was started anew', async () => {
    const { answered, failed } = await requests.stop();
    const { ledger, longestMs } = await writes.stop();
    console.log(`      ${failed} of ${answered + failed} requests failed`);
    console.log(`      ${ledger.size} writes, the longest pause ${Math.round(longestMs)} ms`);
    expect(answered).toBeGreaterThan(100);
    expect(failed).toBe(0);
    const maps = await cluster.json<{ items: ConfigMap[] }>(['get', 'configmaps']);
    const found = new Map(maps.items.map(({ metadata, data }) => [metadata.name!, Number(data?.['n'])]));
    expect(ledger.lost(found)).toEqual([]);
    expect(await containers()).toEqual(before);
    await cluster.must(['scale', 'deployment', 'web', '--replicas=6']);
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  });
});
