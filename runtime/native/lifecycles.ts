import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { ContainerSpec, Runtime, RuntimeEvent, SandboxSpec } from '../contract.ts';
import { calmHoldings, type Holdings } from './leaks.ts';
import type { TestNode } from './test-root.ts';

/**
 * For tests: pods from nothing to nothing, many of them, of every sort in turn, so that each thing that could be left behind
 * is made and taken down again and again.
 */

interface Sort {
  script: string;
  sandbox?: Partial<SandboxSpec>;
  container?: Partial<ContainerSpec>;
  /** What is done while it runs; left out = it ends by itself. */
  use?: (runtime: Runtime, pod: string) => Promise<void>;
}

const SERVE = 'trap "exit 0" TERM; while :; do sleep 1000 & wait $!; done';

const SORTS: readonly Sort[] = [
  { script: 'exit 0' },
  { script: 'exit 3', container: { resources: { memoryBytes: 64 << 20, cpuShares: 100, pids: 50 } } },
  { script: SERVE, use: execAndStop },
  { script: 'sleep 1000', sandbox: { sharedPid: true }, use: stop },
  { script: SERVE, container: { tty: true, stdin: 'open' }, use: attachAndStop },
  // Removed as it runs, with what it left in the background.
  { script: 'sleep 1000 & sleep 1000', use: async () => {} },
  { script: 'echo out; echo err >&2; kill -9 $$' },
  { script: 'exit 0', container: { args: ['/no/such/program'] } },
];

async function execAndStop(runtime: Runtime, pod: string): Promise<void> {
  const streams = await runtime.exec(pod, 'main.0', { args: ['echo', 'hi'], tty: false, stdin: false });
  const said = await text(streams.stdout);
  if (said !== 'hi\n') throw new Error(`exec said ${JSON.stringify(said)}`);
  await stop(runtime, pod);
}

async function attachAndStop(runtime: Runtime, pod: string): Promise<void> {
  const streams = await runtime.attach(pod, 'main.0');
  streams.stdout.resume();
  streams.close();
  await stop(runtime, pod);
}

async function stop(runtime: Runtime, pod: string): Promise<void> {
  await runtime.stopContainer(pod, 'main.0', 0);
}

/** Tells who waits for it that a container has ended; an exit nobody waits for yet is kept. */
class Exits {
  readonly #seen = new Set<string>();
  readonly #waiting = new Map<string, () => void>();

  async follow(events: AsyncIterable<RuntimeEvent>): Promise<void> {
    for await (const event of events) {
      if (event.type === 'lost') throw new Error(`${event.sandbox}: ${event.message}`);
      if (event.type !== 'exited') continue;
      this.#seen.add(event.sandbox);
      this.#waiting.get(event.sandbox)?.();
    }
  }

  async of(pod: string): Promise<void> {
    if (!this.#seen.has(pod)) await new Promise<void>((resolve) => this.#waiting.set(pod, resolve));
    this.#seen.delete(pod);
    this.#waiting.delete(pod);
  }
}

async function lifecycle(node: TestNode, runtime: Runtime, exits: Exits, index: number): Promise<void> {
  const sort = SORTS[index % SORTS.length]!;
  const pod = await node.sandbox(runtime, `life-${index}`, sort.sandbox);
  const spec = await node.spec('main.0', sort.script, sort.container);
  const cannotRun = sort.container?.args !== undefined;
  const started = await runtime.startContainer(pod, spec).then(
    () => true,
    (error) => {
      if (!cannotRun || error.code !== 'CannotRun') throw error;
      return false;
    },
  );
  if (started && sort.use) await sort.use(runtime, pod);
  else if (started) await exits.of(pod);
  await runtime.removeSandbox(pod);
  await node.forget(spec);
}

export interface Residue {
  before: Holdings;
  after: Holdings;
  /** Resident memory of the helper, kB. */
  helperKb: { before: number; after: number };
}

/** Runs `total` lifecycles, `width` at a time, and says what the node held before and holds after them. */
export async function lifecycles(
  node: TestNode,
  runtime: Runtime,
  total: number,
  width: number,
): Promise<Residue> {
  const over = new AbortController();
  const exits = new Exits();
  const following = exits.follow(runtime.watch(over.signal));
  const run = async (from: number, until: number) => {
    const indices = Array.from({ length: until - from }, (_, at) => from + at).values();
    const lane = async () => {
      for (const index of indices) await lifecycle(node, runtime, exits, index);
    };
    await Promise.race([Promise.all(Array.from({ length: width }, lane)), following]);
  };
  // What is opened or grown once and kept is not what this is about.
  const warm = 2 * SORTS.length;
  await run(0, warm);
  const before = await calmHoldings(node);
  const startKb = await residentKb(node.helperPid);
  await run(warm, warm + total);
  const after = await calmHoldings(node);
  over.abort();
  return { before, after, helperKb: { before: startKb, after: await residentKb(node.helperPid) } };
}

async function residentKb(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
