import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import type { TestHost } from './host.ts';
import { eventually } from './run.ts';

const PORT = 23790;

/** An etcd of one member on the host of a cluster, with its data beside that of the cluster. */
export class TestEtcd {
  readonly store = `etcd://127.0.0.1:${PORT}`;
  readonly #host: TestHost;
  readonly #directory: string;
  #child: ChildProcess | undefined;

  constructor(host: TestHost, clusterDirectory: string) {
    this.#host = host;
    this.#directory = `${clusterDirectory}-etcd`;
  }

  /** Starts it (again); nothing when it runs. Resolves when it answers. */
  async start(): Promise<void> {
    if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) return;
    const client = `http://127.0.0.1:${PORT}`;
    const peer = `http://127.0.0.1:${PORT + 1}`;
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

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #answers(): Promise<true | undefined> {
    const [command, args] = this.#host.inside('curl', ['-sf', `http://127.0.0.1:${PORT}/health`]);
    const probe = spawn(command, args, { stdio: 'ignore' });
    return new Promise((resolve) => probe.once('exit', (code) => resolve(code === 0 || undefined)));
  }
}
