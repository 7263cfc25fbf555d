import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigMap, Deployment, Node, Pod } from '#api/objects.ts';
import { anyKubectl } from '#test/harness/kubectl.ts';
import type { LabHost } from '#test/harness/lab.ts';
import { eventually, mustRun, type Ran, run } from '#test/harness/run.ts';
import { type KeptLab, makeLab, removeLab } from '../hosts-lab/labs.ts';
import { type Held, recordsIn } from './checks.ts';
import type { ClientConfig } from './client.ts';
import type { Target } from './faults.ts';
import { GANTRY, Machine } from './machine.ts';
import type { Timed } from './report.ts';
import {
  CHURN_REPLICAS,
  IMAGES,
  NODE_PORT,
  objects,
  RECORDS,
  replicasOf,
  WRITERS_NAMESPACE,
} from './workload.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const CLIENT = new URL('./client.ts', import.meta.url).pathname;
const WRITERS = 2;
const READY_MS = 60_000;
const KUBECTL_MS = 60_000;
const DISK_BYTES = 1024 * 1024 * 1024;
/** How soon after the last fault everything must be as it was. */
const SETTLE_MS = 120_000;

export interface Size {
  hosts: number;
  servers: number;
}

interface EtcdMember {
  endpoint: string;
  isLeader?: boolean;
  fault?: string;
  alarms?: string[];
}

/** The cluster that is broken: servers with an etcd each, other nodes, and a host beside it from which it is used. */
export class ChaosCluster implements Target {
  readonly machines: ReadonlyMap<string, Machine>;
  readonly #size: Size;
  readonly #kept: KeptLab;
  readonly #outside: LabHost;
  #client: ChildProcess | undefined;

  private constructor(kept: KeptLab, size: Size) {
    this.#kept = kept;
    this.#size = size;
    const all = [...kept.hosts];
    mkdirSync(this.logs, { recursive: true });
    this.machines = new Map(
      all.slice(0, -1).map(([name, host]) => [name, new Machine(name, host, this.logs)]),
    );
    this.#outside = all.at(-1)![1];
  }

  static async create(size: Size): Promise<ChaosCluster> {
    const lab = await makeLab({ hosts: size.hosts + 1, subnets: 1, mtu: 1500, diskBytes: DISK_BYTES });
    return new ChaosCluster(lab, size);
  }

  get lab(): KeptLab['lab'] {
    return this.#kept.lab;
  }

  get logs(): string {
    return join(this.#kept.directory, 'logs');
  }

  get servers(): Machine[] {
    return [...this.machines.values()].slice(0, this.#size.servers);
  }

  /** Starts it, with all nodes Ready, and the workload. */
  async start(): Promise<void> {
    const [first, ...others] = this.machines.values();
    const flags = ['--node-grace-period', '8s', '--leader-lease', '5s'];
    first!.runGantry(() => ['up', '--etcd', 'managed', ...flags]);
    await this.#takeKubeconfig(first!);
    await this.#until(
      'the first server is ready',
      async () => (await this.kubectl(['get', '--raw', '/readyz'])).code === 0,
    );
    for (const machine of others) {
      const role = this.servers.includes(machine) ? 'server' : 'node';
      const made = JSON.parse(await first!.gantry(['token', 'create', '--role', role, '-o', 'json']));
      const line = (made.command as string).split(' ').slice(1);
      machine.runGantry(() => line);
    }
    await this.#until('all nodes are Ready', async () => (await this.#unready()).length === 0);
    await this.#loadImages();
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects(this.#size.hosts) });
    await this.#must(['apply', '-f', '-'], input);
    await this.#until('the workload runs', async () => (await this.#unwell()).length === 0);
  }

  /** The client begins; what it sees is in a file, for `seen`. */
  startClient(): void {
    const config = join(this.#kept.directory, 'client.json');
    writeFileSync(config, JSON.stringify(this.#clientConfig()));
    const out = openSync(this.#seenFile, 'w');
    const [command, args] = this.#outside.inside(process.execPath, [
      '--disable-warning=ExperimentalWarning',
      CLIENT,
      config,
    ]);
    this.#client = spawn(command, args, { stdio: ['ignore', out, 'inherit'] });
    closeSync(out);
  }

  /** What the client has seen so far. */
  seen(): Timed[] {
    const text = readFileSync(this.#seenFile, 'utf8');
    // The last line may be on its way.
    const lines = text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Timed);
  }

  /** Throws while there is none. */
  async etcdLeader(): Promise<Machine> {
    const leader = (await this.#members()).find(({ isLeader }) => isLeader);
    const found = leader && this.servers.find(({ host }) => leader.endpoint.includes(host.address));
    if (!found) throw new Error('no member says that it leads');
    return found;
  }

  /** The pod that takes records on a machine. */
  async recordsPod({ nodeName }: Machine): Promise<Pod | undefined> {
    const pods = (await this.#items<Pod>(['pods', '-l', 'app=records'])).filter(isAlive);
    return pods.find(({ spec }) => spec?.nodeName === nodeName);
  }

  async rollout(): Promise<void> {
    const template = { metadata: { annotations: { at: `${Date.now()}` } } };
    const patch = JSON.stringify({ spec: { template } });
    const args = ['patch', 'deployment', 'churn', '--request-timeout=2s', '-p', patch];
    for (const server of this.servers) if ((await this.kubectl(args, { server })).code === 0) return;
  }

  /** Waits until everything is as it was before the faults. */
  async untilWell(): Promise<void> {
    let unwell: string[] = [];
    const look = async () => {
      unwell = await this.#unwell();
      return unwell.length === 0;
    };
    await this.#until('the cluster is as before', look, SETTLE_MS).catch((error) => {
      throw new Error(unwell.join('\n'), { cause: error });
    });
  }

  /** After the last fault: ends the client when everything is as it was; what it has seen, and what is there. */
  async outcome(): Promise<{ seen: Timed[]; held: Held }> {
    const unwell = await this.untilWell().then(
      () => [],
      (error: Error) => error.message.split('\n'),
    );
    await this.#stopClient();
    let stray: string[] = [];
    const look = async () => {
      stray = await this.#stray();
      return stray.length === 0;
    };
    // What is wrong at the end is told as a finding.
    await this.#until('each pod runs', look).catch(() => {});
    const disks = [...this.machines.values()].map(({ space }) => join(space.options.directory, RECORDS));
    const read = (name: string) =>
      disks.map((disk) => (existsSync(join(disk, name)) ? readFileSync(join(disk, name), 'utf8') : ''));
    const views: Map<string, number>[] = [];
    for (const server of this.servers) views.push(await this.#objects(server));
    const held = {
      records: new Set(read('records').flatMap(recordsIn)),
      objects: views[0]!,
      unwell: [...unwell, ...differences(views)],
      twice: read('twice').flatMap((text) => text.split('\n').filter(Boolean)),
      stray,
    };
    return { seen: this.seen(), held };
  }

  /** Leaves it as it is, for whoever looks. */
  release(): void {
    for (const machine of this.machines.values()) machine.release();
  }

  /** Ends and removes all of it; what gantry has left behind. */
  async remove(): Promise<string[]> {
    this.#client?.kill('SIGKILL');
    const left: string[] = [];
    for (const machine of [...this.machines.values()].reverse()) {
      await machine.stop();
      await machine.gantry(['purge', '--yes']);
      left.push(...(await machine.traces()));
    }
    await removeLab(this.lab.id);
    return left;
  }

  async #stopClient(): Promise<void> {
    const client = this.#client!;
    if (client.exitCode !== null) throw new Error(`the client ended by itself: ${client.exitCode}`);
    const gone = new Promise((resolve) => client.once('exit', resolve));
    client.kill('SIGTERM');
    await gone;
  }

  get #seenFile(): string {
    return join(this.#kept.directory, 'seen.jsonl');
  }

  get #kubeconfig(): string {
    return join(this.#kept.directory, 'admin.kubeconfig');
  }

  async #takeKubeconfig(first: Machine): Promise<void> {
    const path = join(first.dataDir, 'admin.kubeconfig');
    await this.#until('the first server has begun', async () => existsSync(path));
    writeFileSync(this.#kubeconfig, readFileSync(path), { mode: 0o600 });
  }

  #clientConfig(): ClientConfig {
    const text = execFileSync(anyKubectl(), [
      '--kubeconfig',
      this.#kubeconfig,
      'config',
      'view',
      '--raw',
      '-o',
      'json',
    ]);
    const { clusters, users } = JSON.parse(text.toString());
    const plain = (base64: string) => Buffer.from(base64, 'base64').toString();
    return {
      records: [...this.machines.values()].map(({ host }) => `http://${host.address}:${NODE_PORT}`),
      servers: this.servers.map(urlOf),
      ca: plain(clusters[0].cluster['certificate-authority-data']),
      certificate: plain(users[0].user['client-certificate-data']),
      key: plain(users[0].user['client-key-data']),
      ...{ namespace: WRITERS_NAMESPACE, writers: WRITERS },
    };
  }

  async #loadImages(): Promise<void> {
    const files = IMAGES.map((name) => join(ROOT, 'dist/images', `${name.replace(/[/:]/g, '-')}.tar`));
    for (const [at, file] of files.entries())
      if (!existsSync(file))
        await mustRun(process.execPath, ['hack/images/index.ts', IMAGES[at]!], {
          cwd: ROOT,
          timeoutMs: 300_000,
        });
    for (const machine of this.machines.values())
      for (const file of files) await machine.gantry(['image', 'import', file]);
  }

  /** From outside; asks the first server unless it is told which. */
  kubectl(args: readonly string[], { server = this.servers[0]!, input = '' } = {}): Promise<Ran> {
    const all = ['--kubeconfig', this.#kubeconfig, '--server', urlOf(server), ...args];
    return run(...this.#outside.inside(anyKubectl(), all), { input, timeoutMs: KUBECTL_MS });
  }

  async #must(args: readonly string[], input = '', server?: Machine): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl(args, { input, ...(server && { server }) });
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}${stdout.slice(0, 1000)}`);
    return stdout;
  }

  async #items<T>(args: readonly string[], server?: Machine): Promise<T[]> {
    return (JSON.parse(await this.#must(['get', ...args, '-o', 'json'], '', server)) as { items: T[] }).items;
  }

  async #until(what: string, look: () => Promise<boolean>, timeoutMs = READY_MS): Promise<void> {
    await eventually(what, async () => (await look()) || undefined, { timeoutMs, everyMs: 500 });
  }

  async #unready(): Promise<string[]> {
    const nodes = await this.#items<Node>(['nodes']);
    const isReady = ({ status }: Node) =>
      status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True');
    return [...this.machines.values()]
      .filter(({ nodeName }) => !nodes.some((node) => node.metadata.name === nodeName && isReady(node)))
      .map(({ nodeName }) => `${nodeName} is not Ready`);
  }

  /** As the first server that can tell sees them. */
  async #members(): Promise<EtcdMember[]> {
    for (const server of this.servers) {
      // It ends with 1 when a member does not answer.
      const { stdout } = await server.sh(`${GANTRY} etcd status -o json --data-dir ${server.dataDir}`);
      if (stdout !== '') return JSON.parse(stdout) as EtcdMember[];
    }
    return [];
  }

  /** What is not as it has to be: servers, members of etcd, nodes, Deployments. */
  async #unwell(): Promise<string[]> {
    const found: string[] = [];
    for (const server of this.servers) {
      const { code } = await this.kubectl(['get', '--raw', '/readyz', '--request-timeout=2s'], { server });
      if (code !== 0) found.push(`the server on ${server.name} is not ready`);
    }
    const members = await this.#members();
    const sick = members.filter(({ fault, alarms }) => fault !== undefined || alarms!.length > 0);
    found.push(...sick.map(({ endpoint }) => `${endpoint}, a member of etcd, is not well`));
    if (members.length !== this.servers.length) found.push(`etcd has ${members.length} members`);
    if (found.length > 0) return found;
    const deployments = await this.#items<Deployment>(['deployments']);
    const pods = (await this.#items<Pod>(['pods'])).filter(isAlive);
    const wanted = { records: replicasOf(this.#size.hosts), churn: CHURN_REPLICAS };
    for (const [name, count] of Object.entries(wanted)) {
      const { metadata, status } = deployments.find((one) => one.metadata.name === name)!;
      const have = pods.filter((pod) => pod.metadata.labels?.['app'] === name).length;
      const isWhole =
        status?.availableReplicas === count && status.updatedReplicas === count && have === count;
      if (!isWhole || status.observedGeneration !== metadata.generation)
        found.push(`${name}: ${status?.availableReplicas ?? 0} of ${count} are available, and ${have} there`);
    }
    return [...found, ...(await this.#unready())];
  }

  /** Each pod of a node has a monitor there, and each monitor a pod. */
  async #stray(): Promise<string[]> {
    const pods = (await this.#items<Pod>(['pods', '--all-namespaces'])).filter(isAlive);
    return [...this.machines.values()].flatMap((machine) => {
      const wanted = pods.filter(({ spec }) => spec?.nodeName === machine.nodeName).length;
      const running = machine.pids('monitor').length;
      return wanted === running ? [] : [`${machine.name} runs ${running} pods, and has ${wanted}`];
    });
  }

  async #objects(server: Machine): Promise<Map<string, number>> {
    // Of half an hour they are 25,000: as the server sends them, for kubectl takes a minute to print them.
    const path = `/api/v1/namespaces/${WRITERS_NAMESPACE}/configmaps`;
    const { items: all } = JSON.parse(await this.#must(['get', '--raw', path], '', server)) as {
      items: ConfigMap[];
    };
    return new Map(
      all.filter(({ data }) => data?.['n']).map(({ metadata, data }) => [metadata.name, Number(data!['n'])]),
    );
  }
}

function urlOf({ host }: Machine): string {
  return `https://${host.address}:6443`;
}

/** Pods that a full node has driven out stay to be looked at, and run no more. */
function isAlive({ status }: Pod): boolean {
  return status?.phase !== 'Failed' && status?.phase !== 'Succeeded';
}

/** Servers that do not show the same. */
function differences([first, ...others]: Map<string, number>[]): string[] {
  return others.flatMap((other, at) => {
    const names = new Set([...first!.keys(), ...other.keys()]);
    const odd = [...names].filter((name) => first!.get(name) !== other.get(name));
    return odd
      .slice(0, 5)
      .map((name) => `h1 and h${at + 2} show another ${name}: ${first!.get(name)}, ${other.get(name)}`);
  });
}
