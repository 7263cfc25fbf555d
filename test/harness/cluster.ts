import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { instanceOf } from '#cmd/gantry/paths.ts';
import { TestEtcd } from './etcd.ts';
import { TestHost } from './host.ts';
import { anyKubectl, KUBECTL_ENV } from './kubectl.ts';
import { commandLine, pidsOf, type Role } from './roles.ts';
import { eventually, mustRun, type Ran, type RunOptions, run } from './run.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

/** A whole cluster of one node, as `gantry up` runs it, on a host of its own unless it is given one. */
export class TestCluster {
  readonly host: TestHost;
  readonly directory = mkdtempSync(join(tmpdir(), 'gantry-e2e-'));
  readonly kubeconfig = join(this.directory, 'admin.kubeconfig');
  readonly instance = instanceOf(this.directory);
  kubectlBinary = anyKubectl();
  /** Of `gantry up` and all it starts. */
  env: Record<string, string> = {};
  /** Where the state is kept instead of SQLite, when the whole suite is run on etcd. */
  readonly #etcd: TestEtcd | undefined;

  constructor(host = new TestHost()) {
    this.host = host;
    this.#etcd = process.env['GANTRY_E2E_STORE'] === 'etcd' ? new TestEtcd(host) : undefined;
  }

  /** Makes the host, starts the cluster and waits until its node is Ready. */
  async start(flags: readonly string[] = []): Promise<void> {
    await this.host.create();
    await this.up(flags);
  }

  /** Starts (again) on the host that there is, and waits until the node is Ready. */
  async up(flags: readonly string[] = []): Promise<void> {
    await this.#etcd?.start();
    this.spawn(flags);
    await this.#orLog('the node is Ready', async () => {
      const { code } = await this.kubectl(['wait', '--for=condition=Ready', 'node/node-1', '--timeout=1s']);
      return code === 0 || undefined;
    });
  }

  /** Only the server; waits until it is ready. */
  async upWithoutAgent(): Promise<void> {
    await this.#etcd?.start();
    this.spawn(['--no-agent']);
    await this.#orLog('the API is ready', async () =>
      (await this.kubectl(['get', '--raw', '/readyz'])).code === 0 ? true : undefined,
    );
  }

  /** Starts `gantry up` and waits for nothing. */
  spawn(flags: readonly string[]): void {
    const log = openSync(this.logFile, 'a');
    const store = this.#etcd && !flags.includes('--store') ? ['--store', this.#etcd.store] : [];
    const args = ['up', '--data-dir', this.directory, '--node-name', 'node-1', ...store, ...flags];
    const [command, all] = this.host.inside(join(ROOT, 'bin/gantry'), args);
    const env = { ...process.env, ...this.env };
    spawn(command, all, { stdio: ['ignore', log, log], detached: true, env }).unref();
    closeSync(log);
  }

  get logFile(): string {
    return `${this.directory}.log`;
  }

  get log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  kubectl(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return this.inside(this.kubectlBinary, args, options);
  }

  /** kubectl that must succeed; its standard output. */
  async must(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const ran = await this.kubectl(args, options);
    if (ran.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${ran.stderr}${ran.stdout}`);
    return ran.stdout;
  }

  async json<T = Record<string, unknown>>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.must([...args, '-o', 'json'])) as T;
  }

  gantry(args: readonly string[], options?: RunOptions): Promise<string> {
    const [command, all] = this.host.inside(join(ROOT, 'bin/gantry'), [
      ...args,
      '--data-dir',
      this.directory,
    ]);
    return mustRun(command, all, options);
  }

  /** Any command on the cluster's host, with KUBECONFIG set and `kubectl` the chosen one. */
  inside(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const [first, all] = this.host.inside(command, args);
    const env = { ...KUBECTL_ENV, KUBECONFIG: this.kubeconfig, HOME: this.directory, ...options.env };
    return run(first, all, { ...options, env });
  }

  /** Loads images that hack/images has made, making those that are missing. */
  async loadImages(names: readonly string[]): Promise<void> {
    for (const name of names) await this.gantry(['image', 'load', '--local', await imageArchive(name)]);
  }

  /** Pids of the instance's processes by role, as their command lines say. */
  pids(role: Role): number[] {
    return pidsOf(this.directory, role);
  }

  /** SIGTERM; containers run on. */
  async stop(): Promise<void> {
    const [pid] = this.pids('up');
    if (pid === undefined) return;
    process.kill(pid, 'SIGTERM');
    await eventually('gantry up ends', async () => (existsSync(`/proc/${pid}`) ? undefined : true), {
      timeoutMs: 40_000,
    });
  }

  /** Ends the etcd that it was started with, if any; to be called by who does not destroy it. */
  async removeEtcd(): Promise<void> {
    await this.#etcd?.remove();
  }

  /** The host goes and comes back: its network is gone, and what ran on it; files stay. */
  async reboot(): Promise<void> {
    await this.#etcd?.kill();
    await this.host.remove();
    await this.host.create();
  }

  /** Ends everything and removes every trace; returns what was left behind after the purge. */
  async destroy(): Promise<string[]> {
    await this.stop().finally(() => this.removeEtcd());
    await this.gantry(['purge', '--yes']);
    const left = [...this.traces(), ...(await this.host.traces())];
    await this.host.remove();
    rmSync(this.directory, { recursive: true, force: true });
    if (left.length === 0 && !process.env['GANTRY_KEEP_LOGS']) rmSync(this.logFile, { force: true });
    return left;
  }

  /** See tracesOf. */
  traces(): string[] {
    return tracesOf(this.directory);
  }

  async #orLog<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    try {
      return await eventually(what, look, { timeoutMs: 60_000 });
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.log.split('\n').slice(-40).join('\n')}`);
    }
  }
}

/** The archive of an image of hack/images, made when it is missing. */
export async function imageArchive(name: string): Promise<string> {
  const file = join(ROOT, 'dist/images', `${name.replace(/[/:]/g, '-')}.tar`);
  if (!existsSync(file))
    await mustRun(process.execPath, ['hack/images/index.ts', name], { cwd: ROOT, timeoutMs: 300_000 });
  return file;
}

/** Everything on this machine that names the instance of a data directory: processes, mounts, cgroups, files. */
export function tracesOf(directory: string): string[] {
  const instance = instanceOf(directory);
  const found: string[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const args = commandLine(Number(name));
    if (args.some((arg) => arg.includes(directory))) found.push(`process ${name}: ${args.join(' ')}`);
  }
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    if (line.includes(directory) || line.includes(instance)) found.push(`mount ${line}`);
  }
  found.push(...cgroupsNamed(instance));
  for (const path of ['/run', '/dev/shm', '/tmp', '/var/lib']) {
    for (const name of readdirSync(path)) {
      if (name.includes(`gantry-${instance}`)) found.push(`directory ${join(path, name)}`);
    }
  }
  if (existsSync(directory)) found.push(`directory ${directory}`);
  return found;
}

function cgroupsNamed(instance: string): string[] {
  const found: string[] = [];
  const root = '/sys/fs/cgroup';
  for (const hierarchy of existsSync(root) ? readdirSync(root) : []) {
    const path = join(root, hierarchy);
    try {
      for (const name of readdirSync(path))
        if (name.includes(instance)) found.push(`cgroup ${join(path, name)}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw error;
    }
  }
  return found;
}
