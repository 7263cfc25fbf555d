import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestHost } from './host.ts';
import { eventually } from './run.ts';

/** Of the first one; two may run on one host. */
const FIRST_PORT = 23790;
let ports = FIRST_PORT;

/** An etcd of one member on the host of a cluster. */
export class TestEtcd {
  readonly store: string;
  readonly #port: number;
  readonly #host: TestHost;
  readonly #address: string;
  /** Made when it is first started. */
  #directory: string | undefined;
  #child: ChildProcess | undefined;

  /** `address`: where it listens; others than its host's own processes need one of the host's. */
  constructor(host: TestHost, address = '127.0.0.1') {
    this.#host = host;
    this.#address = address;
    this.#port = ports;
    ports += 2;
    this.store = `etcd://${address}:${this.#port}`;
  }

  /** Starts it (again); nothing when it runs. Resolves when it answers. */
  async start(): Promise<void> {
    if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) return;
    this.#directory ??= mkdtempSync(join(tmpdir(), 'gantry-etcd-'));
    const client = `http://${this.#address}:${this.#port}`;
    const peer = `http://127.0.0.1:${this.#port + 1}`;
    const [command, args] = this.#host.inside('etcd', [
      ...['--data-dir', this.#directory, '--logger', 'zap', '--log-level', 'error'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', `default=${peer}`],
    ]);
    this.#child = spawn(command, args, { stdio: 'ignore' });
    await eventually('etcd answers', async () => this.#answers());
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

  /** Stops and continues it: an etcd that hangs. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name);
  }

  async remove(): Promise<void> {
    await this.kill();
    if (this.#directory) rmSync(this.#directory, { recursive: true, force: true });
    this.#directory = undefined;
  }

  #answers(): Promise<true | undefined> {
    const [command, args] = this.#host.inside('curl', [
      '-sf',
      `http://${this.#address}:${this.#port}/health`,
    ]);
    const probe = spawn(command, args, { stdio: 'ignore' });
    return new Promise((resolve) => probe.once('exit', (code) => resolve(code === 0 || undefined)));
  }
}
