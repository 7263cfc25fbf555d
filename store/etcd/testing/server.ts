import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why tests that need etcd cannot run here; undefined when they can. */
export function whyNoEtcd(): string | undefined {
  const found = spawnSync('etcd', ['--version'], { stdio: 'ignore' });
  return found.status === 0 ? undefined : 'needs etcd (Debian package etcd-server: hack/setup test)';
}

const START_MS = 15_000;

/** A member of etcd on loopback, with ports and a directory of its own. */
export class EtcdServer {
  #directory: string | undefined;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;
  #port = 0;
  #peerPort = 0;
  /** All members' peer addresses, when there are others. */
  #peers: readonly EtcdServer[] = [this];
  #joins = false;

  constructor(flags: readonly string[] = []) {
    this.#flags = flags;
  }

  /** Members of one cluster, started. */
  static async cluster(count: number, flags: readonly string[] = []): Promise<EtcdServer[]> {
    const members = Array.from({ length: count }, () => new EtcdServer(flags));
    for (const member of members) {
      member.#peers = members;
      await member.#takePorts();
    }
    await Promise.all(members.map((member) => member.start()));
    return members;
  }

  /** Of a cluster that runs, in which it is to be added by `peerUrl` before it starts. */
  async joins(members: readonly EtcdServer[]): Promise<this> {
    await this.#takePorts();
    this.#peers = [...members, this];
    this.#joins = true;
    return this;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Starts (again), on the same ports and data; resolves when it serves. */
  async start(scheme = 'http'): Promise<this> {
    await this.#takePorts();
    this.#directory ??= mkdtempSync(join(tmpdir(), 'gantry-etcd-'));
    const client = `${scheme}://${this.endpoint}`;
    const peer = this.peerUrl;
    const args = [
      ['--data-dir', join(this.#directory, 'data'), '--logger', 'zap', '--log-level', 'error'],
      ['--listen-client-urls', client, '--advertise-client-urls', client],
      ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      [
        '--name',
        this.name,
        '--initial-cluster',
        this.#peers.map((one) => `${one.name}=${one.peerUrl}`).join(),
      ],
      ['--initial-cluster-state', this.#joins ? 'existing' : 'new'],
      // The shortest lease lasts one and a half election times, in whole seconds.
      ['--heartbeat-interval', '50', '--election-timeout', '500'],
      this.#flags,
    ].flat();
    const child = spawn('etcd', args, { stdio: 'ignore' });
    this.#child = child;
    child.on('error', () => undefined);
    await this.#serves(child);
    return this;
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** Stops and continues its process: a member that hangs. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name);
  }

  async remove(): Promise<void> {
    await this.kill();
    if (this.#directory) rmSync(this.#directory, { recursive: true, force: true });
    this.#directory = undefined;
  }

  get name(): string {
    return `m${this.#peerPort}`;
  }

  get peerUrl(): string {
    return `http://127.0.0.1:${this.#peerPort}`;
  }

  async #takePorts(): Promise<void> {
    this.#port ||= await freePort();
    this.#peerPort ||= await freePort();
  }

  async #serves(child: ChildProcess): Promise<void> {
    const end = performance.now() + START_MS;
    while (performance.now() < end && child.exitCode === null) {
      if (await connects(this.#port)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`etcd did not start (exit code ${child.exitCode})`);
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
