import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import {
  CONFORMANCE_SCRIPTS,
  containerSpec,
  eventually,
  type RuntimeHarness,
  sandboxSpec,
} from '../conformance.ts';
import type { ContainerSpec, ExitStatus, Mount, Runtime, SandboxSpec } from '../contract.ts';
import { DEFAULT_CAPABILITIES } from './capabilities.ts';
import { DEFAULT_MASKED_PATHS, DEFAULT_READ_ONLY_PATHS } from './default-paths.ts';
import { NativeRuntime } from './index.ts';
import { defaultProfile, defaultSeccomp } from './seccomp/index.ts';
import { makeWeakPrograms, type Weakness } from './weak-programs.ts';

/** For tests with root: a node of its own in temporary directories, with a busybox root. */

const ROOT = join(import.meta.dirname, '../..');
const BUSYBOX = '/usr/bin/busybox';
/** Where Debian has runc and crun. */
const OCI_PROGRAMS = '/usr/sbin:/usr/bin';
const APPLETS = [
  'sh',
  'true',
  'false',
  'echo',
  'env',
  'pwd',
  'cat',
  'sleep',
  'nc',
  'ls',
  'id',
  'mount',
  'umount',
];
const MORE_APPLETS = [
  'ps',
  'kill',
  'dd',
  'stat',
  'chmod',
  'mknod',
  'head',
  'tail',
  'grep',
  'hostname',
  'wc',
  'stty',
  'tty',
];

/** Why tests with root cannot run here, or undefined. */
export function whyNoRoot(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  try {
    execFileSync(BUSYBOX, ['true']);
    return undefined;
  } catch {
    return 'needs busybox-static';
  }
}

/** Why tests with OCI runtimes cannot run here, or undefined. */
export function whyNoOci(): string | undefined {
  const reason = whyNoRoot();
  if (reason) return reason;
  try {
    for (const program of ['runc', 'crun']) execFileSync(program, ['--version']);
    return undefined;
  } catch {
    return 'needs runc and crun';
  }
}

/**
 * The tests run programs that abort at the first wrong access or overflow (test/vitest.sanitize.config.ts). Benchmarks come here
 * too, without vitest.
 */
export const SANITIZE = (import.meta as { env?: Record<string, string> }).env?.['SANITIZE'] === 'yes';

/** Where the programs under test are. */
export const BIN_DIRECTORY = join(ROOT, SANITIZE ? 'dist/bin-sanitize' : 'dist/bin');

let built = false;
export function buildPrograms(): void {
  const make = ['make', '-s', '-C', join(ROOT, 'runtime/helper'), ...(SANITIZE ? ['SANITIZE=1'] : [])];
  if (!built) execFileSync('flock', [join(ROOT, 'runtime/helper/Makefile'), ...make], { stdio: 'inherit' });
  built = true;
}

let count = 0;

export class TestNode {
  readonly base: string;
  readonly cgroupRoot: string;
  /** Of the programs: those that are shipped, or a node's own weak ones. */
  binDirectory = BIN_DIRECTORY;
  /** Where OCI runtimes are looked for; none are unless a test says so. */
  handlerPath: string | undefined;
  handlerTimeoutMs: number | undefined;
  readonly #layer: string;
  readonly #runtimes: NativeRuntime[] = [];
  #roots = 0;
  #helperPid = 0;

  private constructor(base: string) {
    this.base = base;
    this.#layer = join(base, 'layer');
    this.cgroupRoot = `gantry-test-${process.pid}-${count++}`;
  }

  static async make(weakness?: Weakness): Promise<TestNode> {
    buildPrograms();
    const node = new TestNode(await mkdtemp(join(tmpdir(), 'gantry-runtime-')));
    if (weakness) {
      node.binDirectory = join(node.base, 'bin');
      await makeWeakPrograms(node.binDirectory, weakness);
    }
    await node.#makeLayer();
    return node;
  }

  get logDirectory(): string {
    return join(this.base, 'logs');
  }

  async open(): Promise<NativeRuntime> {
    const runtime = await NativeRuntime.open({
      clock: systemClock,
      stateDirectory: join(this.base, 'state'),
      runDirectory: join(this.base, 'run'),
      binDirectory: this.binDirectory,
      cgroupRoot: this.cgroupRoot,
      ...(this.handlerPath && { handlerPath: this.handlerPath }),
      ...(this.handlerTimeoutMs && { handlerTimeoutMs: this.handlerTimeoutMs }),
    });
    this.#runtimes.push(runtime);
    this.#helperPid = (await runtime.helper.hello()).pid;
    return runtime;
  }

  get helperPid(): number {
    return this.#helperPid;
  }

  /** A new writable root over the busybox layer. */
  async root(): Promise<Mount> {
    const home = join(this.base, 'roots', String(this.#roots++));
    await mkdir(join(home, 'fs'), { recursive: true });
    await mkdir(join(home, 'work'));
    const directories = [`lowerdir=${this.#layer}`, `upperdir=${home}/fs`, `workdir=${home}/work`];
    // As snapshots/overlayfs has them.
    const options = [...directories, 'index=off', 'metacopy=off', 'redirect_dir=nofollow', 'xino=auto'];
    return { type: 'overlay', source: 'overlay', target: '/', options };
  }

  /** Removes what a container wrote: its root's upper layer and its log. */
  async forget(spec: ContainerSpec): Promise<void> {
    const upper = spec.root.options
      .find((option) => option.startsWith('upperdir='))!
      .slice('upperdir='.length);
    await rm(dirname(upper), { recursive: true });
    await rm(spec.logPath, { force: true });
  }

  /** A sandbox of that name, with what the test wants different. */
  async sandbox(runtime: Runtime, id: string, change: Partial<SandboxSpec> = {}): Promise<string> {
    await runtime.createSandbox({ ...sandboxSpec(id, this.logDirectory), ...change });
    return id;
  }

  /** A container with the defaults of a pod's, running `script` in a shell. */
  async spec(id: string, script: string, change: Partial<ContainerSpec> = {}): Promise<ContainerSpec> {
    return {
      ...containerSpec(id, await this.root(), join(this.logDirectory, `${id}-${this.#roots}.log`), [
        'sh',
        '-c',
        script,
      ]),
      capabilities: [...DEFAULT_CAPABILITIES],
      seccomp: defaultSeccomp(DEFAULT_CAPABILITIES),
      seccompProfile: defaultProfile(DEFAULT_CAPABILITIES),
      maskedPaths: [...DEFAULT_MASKED_PATHS],
      readOnlyPaths: [...DEFAULT_READ_ONLY_PATHS],
      ...change,
    };
  }

  /** Runs `script` to its end and gives back what it wrote. */
  async run(
    runtime: Runtime,
    sandbox: string,
    script: string,
    change: Partial<ContainerSpec> = {},
  ): Promise<{ output: string; exit: ExitStatus }> {
    const spec = await this.spec(`run.${this.#roots}`, script, change);
    await runtime.startContainer(sandbox, spec);
    let exit: ExitStatus | undefined;
    await eventually(`${script} ends`, async () => {
      const state = (await runtime.list()).find((candidate) => candidate.id === sandbox);
      exit = state?.containers.find((candidate) => candidate.id === spec.id)?.exit;
      return exit !== undefined;
    });
    await runtime.removeContainer(sandbox, spec.id);
    const lines = (await readFile(spec.logPath, 'utf8')).split('\n');
    // `<time> <stream> F <text>`
    const output = lines.map((line) => line.split(' ').slice(3).join(' ')).join('\n');
    return { output: output.trim(), exit: exit! };
  }

  /** Takes down what is left on the node, also what agents that were never closed hold. */
  async close(): Promise<void> {
    // An agent that watches would start the helper anew once it has gone.
    for (const runtime of this.#runtimes) await runtime.close();
    const runtime = await this.open();
    const { pid } = await runtime.helper.hello();
    await runtime.destroy();
    await eventually('the helper ends', () => !isAlive(pid));
    await this.#expectNoReport();
    await rm(this.base, { recursive: true, force: true });
  }

  /** What a sanitizer has found in helper or monitors stands in their log. */
  async #expectNoReport(): Promise<void> {
    const log = await readFile(join(this.base, 'run/helper.log'), 'utf8');
    if (/Sanitizer|runtime error:/.test(log))
      throw new Error(`a sanitizer reports:\n${log.slice(0, 10_000)}`);
  }

  async #makeLayer(): Promise<void> {
    const bin = join(this.#layer, 'bin');
    for (const directory of ['bin', 'proc', 'sys', 'dev', 'tmp', 'etc']) {
      await mkdir(join(this.#layer, directory), { recursive: true });
    }
    await copyFile(BUSYBOX, join(bin, 'busybox'));
    await chmod(join(bin, 'busybox'), 0o755);
    for (const applet of [...APPLETS, ...MORE_APPLETS]) await symlink('busybox', join(bin, applet));
    for (const [name, text] of Object.entries(CONFORMANCE_SCRIPTS)) {
      await writeFile(join(bin, name), text, { mode: 0o755 });
    }
    await writeFile(join(this.#layer, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    await chmod(join(this.#layer, 'tmp'), 0o1777);
  }
}

/** The harness of the conformance suite over a node of its own; by a handler, when one is named. */
export async function nativeHarness(handler?: string, handlerPath?: string): Promise<RuntimeHarness> {
  const node = await TestNode.make();
  node.handlerPath = handlerPath;
  return {
    open: () => node.open(),
    root: () => node.root(),
    logDirectory: node.logDirectory,
    ...(handler && { handler }),
    readLog: (path) => readFile(path, 'utf8'),
    moveLog: rename,
    killMonitor: async (runtime, sandbox) => {
      process.kill(await monitorPidOf(runtime, sandbox), 'SIGKILL');
    },
    serveEcho: async (runtime, sandbox, port) => {
      const args = ['nc', '-ll', '-p', String(port), '-e', 'cat'];
      const container = containerSpec('echo.0', await node.root(), `${node.logDirectory}/echo.log`, args);
      const { pid } = await runtime.startContainer(sandbox, container);
      const listening = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, '0')} [0:]+ 0A `);
      await eventually('nc listens', async () => {
        const sockets = await Promise.all(
          ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')),
        );
        return sockets.some((text) => listening.test(text));
      });
    },
    close: () => node.close(),
  };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The first process of a container, as the node numbers it. */
export async function containerPidOf(
  runtime: Runtime,
  sandbox: string,
  container = 'main.0',
): Promise<number> {
  const state = (await runtime.list()).find(({ id }) => id === sandbox);
  return state!.containers.find(({ id }) => id === container)!.pid;
}

/** Of a sandbox with a network of its own: it is the monitor that holds it. */
export async function monitorPidOf(runtime: Runtime, sandbox: string): Promise<number> {
  const state = (await runtime.list()).find(({ id }) => id === sandbox);
  return Number(/^\/proc\/(\d+)\//.exec(state!.networkNamespace)![1]);
}

/**
 * One node and its runtime for every test of a suite, taken down with all that is left on it. `take` gets them first. With
 * `handlers` the OCI runtimes of this machine are there.
 */
export function nodeOfSuite(take: Take, { handlers = false } = {}): void {
  keepNode(beforeAll, afterAll, take, handlers);
}

/** The same, anew for each test. */
export function nodeOfTest(take: Take, { handlers = false } = {}): void {
  keepNode(beforeEach, afterEach, take, handlers);
}

type Take = (node: TestNode, runtime: NativeRuntime) => unknown;
type Hook = (run: () => Promise<void>) => void;

function keepNode(before: Hook, after: Hook, take: Take, handlers: boolean): void {
  let node: TestNode;
  before(async () => {
    node = await TestNode.make();
    if (handlers) node.handlerPath = OCI_PROGRAMS;
    await take(node, await node.open());
  });
  after(() => node.close());
}
