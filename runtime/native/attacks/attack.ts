import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually } from '../../conformance.ts';
import { type ContainerSpec, type Mount, RuntimeError } from '../../contract.ts';
import type { NativeRuntime } from '../index.ts';
import { TestNode, whyNoRoot } from '../test-root.ts';

/**
 * Attacks that must fail. Each is tried against a node of the test's own, on nothing but what the test made: once as the runtime
 * is, where it must be stopped in the way said; and once more without its one defence, where it must succeed, so that the test
 * is known to be able to fail.
 */

export interface Target {
  node: TestNode;
  runtime: NativeRuntime;
  /** A sandbox of the default kind. */
  pod: string;
  /** For defences that are data: whether to leave them as they are. */
  defended: boolean;
}

export interface Attack {
  /** What it stands for and how it goes: `CVE-2019-5736: ...`. */
  name: string;
  /** Name of its one defence in runtime/helper; left out when it is data, which the attempt leaves out itself. */
  defence?: string;
  /** Defences that would stop it as well: off both times. */
  without?: readonly string[];
  /** Where it needs a node that is not as it should be: Weakness.before. */
  before?: string;
  /** Why it cannot succeed on this node whatever the runtime does. */
  impossible?: string | undefined;
  /** A race_point() to stop at: use `paused`. */
  pause?: string;
  /** Tries, and says what came of it. */
  attempt(target: Target): Promise<string>;
  stopped: string | RegExp;
  succeeded: string | RegExp;
}

const reason = whyNoRoot();
const TIMEOUT_MS = 60_000;

/** Declares the tests. */
export function attacks(kind: string, list: readonly Attack[]): void {
  describe.skipIf(reason !== undefined)(`attacks: ${kind} (${reason ?? 'as root'})`, () => {
    for (const attack of list) {
      const { impossible } = attack;
      test.skipIf(impossible !== undefined)(
        impossible ? `${attack.name} (${impossible})` : attack.name,
        async () => {
          const { defence, without = [] } = attack;
          const off = defence ? [...without, defence] : without;
          expect(await tryOnce(attack, without, true), 'as the runtime is').toMatch(attack.stopped);
          expect(await tryOnce(attack, off, false), 'without its defence').toMatch(attack.succeeded);
        },
        TIMEOUT_MS,
      );
    }
  });
}

async function tryOnce(attack: Attack, off: readonly string[], defended: boolean): Promise<string> {
  // What is shipped, wherever nothing is off.
  const { before, pause } = attack;
  const weakness = { off, ...(before && { before }), ...(pause && { pause }) };
  const node = await TestNode.make(off.length > 0 || before || pause ? weakness : undefined);
  try {
    if (pause) await writeFile(join(node.base, 'pause/go'), '');
    const runtime = await node.open();
    try {
      const pod = await node.sandbox(runtime, 'victim');
      return await attack.attempt({ node, runtime, pod, defended });
    } finally {
      await runtime.close();
    }
  } finally {
    await node.close();
  }
}

/** Starts `work`, which comes to the race point, does `meanwhile` while it stands there, and lets it go on to its end. */
export async function paused<T>(
  { node }: Target,
  work: () => Promise<T>,
  meanwhile: () => Promise<void>,
): Promise<T> {
  const [reached, go] = ['reached', 'go'].map((name) => join(node.base, 'pause', name)) as [string, string];
  await Promise.all([reached, go].map((path) => rm(path, { force: true })));
  const working = work();
  try {
    await eventually('the race point is reached', async () => (await content(reached)) !== 'not there');
    await meanwhile();
  } finally {
    await writeFile(go, '');
  }
  return await working;
}

/** What a container of that spec says, or `refused: <step>`. */
export async function outcome(
  { node, runtime, pod }: Target,
  script: string,
  change: Partial<ContainerSpec>,
): Promise<string> {
  try {
    return (await node.run(runtime, pod, script, change)).output;
  } catch (error) {
    return refusal(error);
  }
}

/** `refused: <step>`, or of the spec as a whole `refused: <code>`; throws whatever is no refusal. */
export function refusal(error: unknown): string {
  if (error instanceof RuntimeError) return `refused: ${error.step ?? error.code}`;
  throw error;
}

/** A directory of an image's root before anything is mounted: where a malicious image puts its links. */
export function imageOf(root: Mount): string {
  return root.options.find((option) => option.startsWith('upperdir='))!.slice('upperdir='.length);
}

export function bind(source: string, target: string, ...options: string[]): Mount {
  return { type: 'bind', source, target, options };
}

/** A file of the test's, or what became of it. */
export async function content(...path: string[]): Promise<string> {
  try {
    return await readFile(join(...path), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'not there';
    throw error;
  }
}
