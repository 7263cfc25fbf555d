import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep, systemClock } from '#machinery/clock.ts';
import { eventually } from '#runtime/conformance.ts';
import type { RuntimeEvent } from '#runtime/contract.ts';
import { probeCgroups } from '#runtime/native/cgroup.ts';
import { NEEDED } from '#runtime/native/cgroup-layout.ts';
import type { NativeRuntime } from '#runtime/native/index.ts';
import { TestNode, whyNoRoot } from '#runtime/native/test-root.ts';
import { percentile, type Section } from './table.ts';

const ROUNDS = 60;
const IDLE_ROUNDS = 12;
const HANDLER_ROUNDS = 20;
const IDLE_MS = 80;
const POOL = 50;
const WIDTH = 4;
const EXECS = 100;
const MEMORY_PODS = 10;
/** So many that what the rest of the machine does meanwhile does not count. */
const HELD_PODS = 100;
/** Longer than a monitor takes to make itself small. */
const SETTLE_MS = 1000;
const RESOURCES = { memoryBytes: 64 << 20, cpuShares: 100, pids: 50 };

/** Starting, exec, memory and logs of real containers, beside the kernel's own floor. */
export const runtime: Section = async (report) => {
  const reason = whyNoRoot();
  if (reason) {
    console.log(`  skipped: ${reason}`);
    return;
  }
  // Neither the runtime's idle connections nor its timers keep a program running.
  const hold = setInterval(() => {}, SETTLE_MS);
  const node = await TestNode.make();
  node.handlerPath = process.env['PATH'];
  const native = await node.open();
  try {
    const bench = new Bench(node, native);
    for (const [what, rounds, pauseMs] of [
      ['back to back', ROUNDS, 0],
      [`${IDLE_MS} ms apart`, IDLE_ROUNDS, IDLE_MS],
    ] as const) {
      const floor = (await measureFloor(node, rounds, pauseMs)) / 1000;
      const value = percentile(await bench.podStarts(rounds, pauseMs), 0.5);
      report({
        what: `runtime: pod start to exit of true, ${what}, p50`,
        value,
        unit: 'ms',
        mark: { at: 'most', value: 2 * floor },
        floor: { what: 'bare kernel steps', value: floor },
      });
    }
    await byHandlers(native, bench, report);
    const starts = await bench.containerStarts(ROUNDS);
    report({
      what: 'runtime: container start, p50',
      value: percentile(starts, 0.5),
      unit: 'ms',
      mark: { at: 'most', value: 30 },
    });
    report({ what: 'runtime: container start, p99', value: percentile(starts, 0.99), unit: 'ms' });
    const rate = await bench.startRate();
    report({
      what: `runtime: ${POOL} pod starts, ${WIDTH} at a time`,
      value: rate,
      unit: '/s',
      mark: { at: 'least', value: 100 },
    });
    const execs = await bench.execs();
    report({
      what: 'runtime: exec of true, p50',
      value: percentile(execs, 0.5),
      unit: 'ms',
      mark: { at: 'most', value: 10 },
    });
    const logs = await bench.logRate();
    report({
      what: 'runtime: log of 200-byte lines, MB/s',
      value: logs,
      unit: '/s',
      mark: { at: 'least', value: 200 },
    });
    const memory = await bench.monitorMemory();
    report({
      what: `runtime: monitor PSS, ${MEMORY_PODS} pods`,
      value: memory,
      unit: 'kB',
      mark: { at: 'most', value: 300 },
    });
    const floor = (await measureFloor(node, HELD_PODS, 'hold', ['/bin/sleep', '600'])) / 1024;
    report({
      what: `runtime: memory of the machine per pod, ${HELD_PODS} pods`,
      value: await bench.memoryPerPod(),
      unit: 'kB',
      floor: { what: 'bare process in namespaces', value: floor },
    });
  } finally {
    await native.close();
    await node.close();
    clearInterval(hold);
  }
};

/** The same pods through the OCI runtimes that are installed, beside our own at that moment. */
async function byHandlers(
  native: NativeRuntime,
  bench: Bench,
  report: Parameters<Section>[0],
): Promise<void> {
  const own = percentile(await bench.podStarts(HANDLER_ROUNDS, 0), 0.5);
  for (const { name } of (await native.info()).handlers) {
    // `oci` is one of the others.
    if (name === '' || name === 'oci') continue;
    report({
      what: `runtime: pod start to exit of true by ${name}, p50`,
      value: percentile(await bench.podStarts(HANDLER_ROUNDS, 0, name), 0.5),
      unit: 'ms',
      floor: { what: 'by our own runtime', value: own },
    });
  }
}

class Bench {
  readonly #node: TestNode;
  readonly #runtime: NativeRuntime;
  #count = 0;

  constructor(node: TestNode, runtime: NativeRuntime) {
    this.#node = node;
    this.#runtime = runtime;
  }

  /** A pod with one container that runs `true`: from nothing to its exit. */
  async podStarts(rounds: number, pauseMs: number, handler = ''): Promise<number[]> {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const spec = await this.#true();
      if (pauseMs > 0) await sleep(systemClock, pauseMs);
      const start = performance.now();
      const pod = await this.#pod(handler);
      await this.#untilExit(pod, () => this.#runtime.startContainer(pod, spec));
      times.push(performance.now() - start);
      await this.#runtime.removeSandbox(pod);
    }
    return times;
  }

  async containerStarts(rounds: number): Promise<number[]> {
    const pod = await this.#pod();
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const spec = await this.#true();
      const start = performance.now();
      await this.#runtime.startContainer(pod, spec);
      times.push(performance.now() - start);
      await this.#runtime.removeContainer(pod, spec.id);
    }
    await this.#runtime.removeSandbox(pod);
    return times;
  }

  async startRate(): Promise<number> {
    const specs = await Promise.all(Array.from({ length: POOL }, () => this.#true()));
    const pods: string[] = [];
    const start = performance.now();
    await Promise.all(
      Array.from({ length: WIDTH }, async () => {
        for (let spec = specs.pop(); spec; spec = specs.pop()) {
          const pod = await this.#pod();
          pods.push(pod);
          const next = spec;
          await this.#untilExit(pod, () => this.#runtime.startContainer(pod, next));
        }
      }),
    );
    const rate = POOL / ((performance.now() - start) / 1000);
    for (const pod of pods) await this.#runtime.removeSandbox(pod);
    return rate;
  }

  async execs(): Promise<number[]> {
    const pod = await this.#pod();
    await this.#runtime.startContainer(pod, await this.#node.spec('main.0', 'exec sleep 600'));
    const times: number[] = [];
    for (let round = 0; round < EXECS; round++) {
      const start = performance.now();
      const streams = await this.#runtime.exec(pod, 'main.0', { args: ['true'], tty: false, stdin: false });
      await streams.exit;
      times.push(performance.now() - start);
    }
    await this.#runtime.removeSandbox(pod);
    return times;
  }

  /** Megabytes of output per second that arrive in the log. */
  async logRate(): Promise<number> {
    const pod = await this.#pod();
    const line = 'x'.repeat(199);
    // A file that grows by doubling, so that only `cat` is measured.
    const grow =
      'i=0; while [ $i -lt 17 ]; do cat /dev/shm/a /dev/shm/a > /dev/shm/b; mv /dev/shm/b /dev/shm/a; i=$((i+1)); done';
    const prepare = await this.#node.spec(
      'main.0',
      `echo ${line} > /dev/shm/a; ${grow}; read go; exec cat /dev/shm/a /dev/shm/a`,
      {
        stdin: 'open',
      },
    );
    await this.#runtime.startContainer(pod, prepare);
    const attached = await this.#runtime.attach(pod, 'main.0');
    await eventually(
      'the file is made',
      async () => (await this.#runtime.stats(pod, 'main.0')).memoryBytes > 26_000_000,
      20_000,
    );
    await sleep(systemClock, 200);
    const start = performance.now();
    await this.#untilExit(pod, async () => attached.stdin!.write('go\n', () => attached.close()));
    const seconds = (performance.now() - start) / 1000;
    const megabytes = statSync(prepare.logPath).size / 1e6;
    await this.#runtime.removeSandbox(pod);
    return megabytes / seconds;
  }

  /** kB less available on the machine for each pod with one sleeping container: monitor, process and the kernel's part. */
  async memoryPerPod(): Promise<number> {
    const args = ['/bin/sleep', '600'];
    const specs = await Promise.all(
      Array.from({ length: HELD_PODS }, () => this.#node.spec('main.0', '', { args, resources: RESOURCES })),
    );
    await sleep(systemClock, SETTLE_MS);
    const before = availableKb();
    const pods: string[] = [];
    for (const spec of specs) {
      const pod = await this.#pod();
      pods.push(pod);
      await this.#runtime.startContainer(pod, spec);
    }
    await sleep(systemClock, SETTLE_MS);
    const each = (before - availableKb()) / HELD_PODS;
    for (const pod of pods) await this.#runtime.removeSandbox(pod);
    return each;
  }

  /** kB of proportional set size of one monitor among several, each with a running container. */
  async monitorMemory(): Promise<number> {
    const pods: string[] = [];
    for (let index = 0; index < MEMORY_PODS; index++) {
      const pod = await this.#pod();
      pods.push(pod);
      await this.#runtime.startContainer(pod, await this.#node.spec('main.0', 'exec sleep 600'));
    }
    await sleep(systemClock, SETTLE_MS);
    const pids = (await this.#runtime.list()).map((state) => state.networkNamespace.split('/')[2]);
    const sizes = pids.map((pid) =>
      Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))![1]),
    );
    for (const pod of pods) await this.#runtime.removeSandbox(pod);
    return percentile(sizes, 0.5);
  }

  async #pod(handler = ''): Promise<string> {
    return await this.#node.sandbox(this.#runtime, `bench-${this.#count++}`, handler ? { handler } : {});
  }

  async #true() {
    return await this.#node.spec(`true.${this.#count++}`, '', { args: ['/bin/true'], resources: RESOURCES });
  }

  /** Resolves when the pod's container has exited after `act`. */
  async #untilExit(pod: string, act: () => Promise<unknown>): Promise<void> {
    const controller = new AbortController();
    const events: AsyncIterable<RuntimeEvent> = this.#runtime.watch(controller.signal);
    await act();
    for await (const event of events) if (event.sandbox === pod) break;
    controller.abort();
  }
}

function availableKb(): number {
  return Number(/^MemAvailable: +(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]);
}

/** What hack/bench/floor.c prints (microseconds, or with `hold` bytes) over the same root and the same kinds of groups. */
async function measureFloor(
  node: TestNode,
  rounds: number,
  pauseMs: number | 'hold',
  command: readonly string[] = ['/bin/true'],
): Promise<number> {
  const base = mkdtempSync(join(tmpdir(), 'gantry-floor-'));
  const { controllers } = await probeCgroups();
  const groups = [...new Set(NEEDED.map((name) => controllers.get(name)!))].map((mount) =>
    join(mount, `${node.cgroupRoot}-floor`),
  );
  try {
    for (const directory of [...groups, join(base, 'root')]) mkdirSync(directory);
    const program = join(base, 'floor');
    execFileSync('gcc', ['-O2', '-static', '-o', program, join(import.meta.dirname, 'floor.c')]);
    const lower = (await node.root()).options[0]!.slice('lowerdir='.length);
    const args = [lower, base, String(rounds), String(pauseMs), ...groups, '--', ...command];
    return Number(execFileSync(program, args, { encoding: 'utf8' }));
  } finally {
    for (const group of groups) rmdirSync(group);
    rmSync(base, { recursive: true, force: true });
  }
}
