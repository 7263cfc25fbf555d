/**
 * A cluster in a test: the fake apiserver, a virtual clock and the controllers under test, and a run that fails every write
 * once and asks each time whether the cluster still gets where it should.
 */
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import { controllersComponent, type RunningControllers } from './component.ts';
import type { AnyController } from './contract.ts';

export interface Lab {
  cluster: FakeCluster;
  clock: VirtualClock;
  controllers: RunningControllers;
  log: LogLine[];
  /** Lets `ms` pass in steps, with the world's turn after each. Default: long enough for every retry. */
  settle(ms?: number): Promise<void>;
  stop(): Promise<void>;
}

export interface Scene {
  roster: readonly AnyController[];
  /** What is there before the controllers start. */
  arrange(cluster: FakeCluster): Promise<void>;
  /** What others do meanwhile (nodes, users): called again and again while time passes. */
  world?(cluster: FakeCluster): void;
  seed?: number;
  /** How long it takes to come to rest; default 15 s, long enough for every retry. */
  settleMs?: number;
  /** Settings for the fake server. */
  validate?: boolean;
}

const STEP_MS = 250;
const SETTLE_MS = 15_000;
/** More writes than this in one scene make the run over all of them too slow: the scene is too large. */
const MAX_WRITES = 150;

export async function openLab(scene: Scene, beforeStart?: (cluster: FakeCluster) => void): Promise<Lab> {
  const clock = new VirtualClock();
  const random = seededRandom(scene.seed ?? 1);
  const cluster = new FakeCluster({ clock, random, validate: scene.validate });
  await scene.arrange(cluster);
  beforeStart?.(cluster);
  const log: LogLine[] = [];
  const crash = new AbortController();
  const deps = { clientFor: () => cluster.client, clock, random, log: memoryLogger(log), freeze: true };
  const controllers = (await controllersComponent(scene.roster).start(
    deps,
    crash.signal,
  )) as RunningControllers;
  const settle = async (ms = scene.settleMs ?? SETTLE_MS) => {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      await clock.advance(STEP_MS);
      scene.world?.(cluster);
    }
    await clock.advance(0);
  };
  const stop = async () => {
    crash.abort();
    await controllers.stop();
  };
  return { cluster, clock, controllers, log, settle, stop };
}

/** Runs the scene once and hands the settled cluster to `check`. */
export async function inLab(scene: Scene, check: (lab: Lab) => Promise<void> | void): Promise<void> {
  const lab = await openLab(scene);
  try {
    await lab.settle();
    await check(lab);
  } finally {
    await lab.stop();
  }
}

/**
 * Runs the scene, then again for each of its writes with that write refused, and with its answer lost. Each time `converged`
 * must hold (it throws when not). Returns the number of runs.
 */
export async function failEveryStepOnce(
  scene: Scene,
  converged: (cluster: FakeCluster) => void,
): Promise<number> {
  const count = await run(scene, converged, undefined);
  if (count > MAX_WRITES) throw new RangeError(`the scene makes ${count} writes; make it smaller`);
  for (let write = 0; write < count; write++) {
    for (const when of ['before', 'after'] as const) {
      await run(scene, converged, { write, when });
    }
  }
  return 1 + 2 * count;
}

async function run(
  scene: Scene,
  converged: (cluster: FakeCluster) => void,
  failure: { write: number; when: 'before' | 'after' } | undefined,
): Promise<number> {
  let before = 0;
  const lab = await openLab(scene, (cluster) => {
    before = cluster.writes;
    if (failure) cluster.failWrite(failure.write, failure.when);
  });
  try {
    await lab.settle();
    converged(lab.cluster);
    return lab.cluster.writes - before;
  } catch (error) {
    if (!failure) throw error;
    const message = `write ${failure.write} failed ${failure.when} it was done`;
    throw new Error(`did not converge when ${message}`, { cause: error });
  } finally {
    await lab.stop();
  }
}
