import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Netlink } from '../contract.ts';
import { errnoName, isErrno, NetlinkError } from '../errors.ts';
import type { Sysctl } from '../sysctl.ts';

/**
 * Network namespaces for tests: a "node" and its "pods", each held by a process of ours and gone with it. Nothing is ever
 * added to the host's own namespace.
 */
export interface TestNode {
  netlink: Netlink;
  sysctl: Sysctl;
  /** A process in the node's namespace. */
  pid: number;
  /** Another namespace, for a pod or a host outside: its holder's pid. */
  addNamespace(): Promise<number>;
  /** Runs a program in the namespace of `pid` and returns its output; throws with its errors when it fails. */
  run(pid: number, ...argv: string[]): string;
  /** Starts a program in the namespace of `pid`; killed at the end. */
  start(pid: number, ...argv: string[]): ChildProcess;
  close(): Promise<void>;
}

/** Why kernel tests cannot run here; undefined when they can. */
export function whyNoKernel(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  try {
    execFileSync('unshare', ['--net', 'true'], { stdio: 'ignore' });
  } catch {
    return 'needs the right to make network namespaces';
  }
  return undefined;
}

const RUN_TIMEOUT_MS = 15_000;

export async function makeTestNode(): Promise<TestNode> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-net-'));
  const door = join(directory, 'door');
  const source = fileURLToPath(new URL('./door.c', import.meta.url));
  execFileSync('gcc', ['-O1', '-o', door, source]);
  const children: ChildProcess[] = [];
  const hold = (...argv: string[]): ChildProcess => {
    const child = spawn('unshare', ['--net', ...argv], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    return child;
  };
  const node = hold(door);
  const client = new DoorClient(node);
  // The first answer says that the namespace has been entered.
  await client.call(254, '/proc/sys/net/ipv4/ip_forward', new Uint8Array());
  const pid = node.pid!;
  return {
    netlink: client,
    sysctl: {
      async read(key) {
        try {
          return (await client.call(254, sysctlPath(key), new Uint8Array())).toString().trim();
        } catch (error) {
          if (isErrno(error, 'ENOENT')) return undefined;
          throw error;
        }
      },
      write: async (key, value) => {
        await client.call(255, sysctlPath(key), Buffer.from(value));
      },
    },
    pid,
    async addNamespace() {
      const child = hold('sh', '-c', 'echo ready; exec cat');
      await new Promise((resolve) => child.stdout!.once('data', resolve));
      return child.pid!;
    },
    run: (inside, ...argv) =>
      execFileSync('nsenter', [`--net=/proc/${inside}/ns/net`, ...argv], {
        encoding: 'utf8',
        timeout: RUN_TIMEOUT_MS,
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    start(inside, ...argv) {
      const child = spawn('nsenter', [`--net=/proc/${inside}/ns/net`, ...argv], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      children.push(child);
      return child;
    },
    async close() {
      const gone = children.map((child) => new Promise((resolve) => child.once('close', resolve)));
      const alive = children.map((child) => child.exitCode === null && child.signalCode === null);
      for (const child of children) child.kill('SIGKILL');
      await Promise.all(gone.filter((_, at) => alive[at]));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function sysctlPath(key: string): string {
  return `/proc/sys/${key.replaceAll('.', '/')}`;
}

/** Speaks with door.c, one call after the other. */
class DoorClient implements Netlink {
  readonly #child: ChildProcess;
  readonly #waiting: ((reply: Buffer | Error) => void)[] = [];
  #received = Buffer.alloc(0);

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout!.on('data', (chunk: Buffer) => this.#take(chunk));
    child.once('exit', () => {
      for (const waiting of this.#waiting.splice(0))
        waiting(new Error('the netlink door of the test is gone'));
    });
  }

  exchange({ networkNamespace, protocol, request }: Parameters<Netlink['exchange']>[0]): Promise<Uint8Array> {
    return this.call(protocol, networkNamespace ?? '', request);
  }

  call(protocol: number, path: string, bytes: Uint8Array): Promise<Buffer> {
    const head = Buffer.alloc(12);
    const name = Buffer.from(path);
    head.writeUInt32LE(8 + name.length + bytes.length, 0);
    head.writeUInt32LE(protocol, 4);
    head.writeUInt32LE(name.length, 8);
    this.#child.stdin!.write(Buffer.concat([head, name, bytes]));
    return new Promise((resolve, reject) => {
      this.#waiting.push((reply) => (reply instanceof Error ? reject(reply) : resolve(reply)));
    });
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 4 && this.#received.length >= 4 + this.#received.readUInt32LE(0)) {
      const end = 4 + this.#received.readUInt32LE(0);
      const errno = this.#received.readInt32LE(4);
      const reply = Buffer.from(this.#received.subarray(8, end));
      this.#received = this.#received.subarray(end);
      this.#waiting.shift()?.(errno ? new NetlinkError(errnoName(errno), 'netlink exchange', 0, '') : reply);
    }
  }
}
