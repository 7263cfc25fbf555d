/** One run from one seed, and the smallest plan that still fails when it does. */
import { createHash } from 'node:crypto';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import { startInformer } from '#client/informer.ts';
import { seededRandom } from '#machinery/random.ts';
import { ACTIONS, type Action, planOf } from './actions.ts';
import { Cluster, type StoreFactory } from './cluster.ts';
import { checkAlways, checkAtRest, checkEvent, type Fault, type Watchers } from './invariants.ts';
import { Ledger } from './ledger.ts';

export interface Outcome {
  seed: number;
  /** Of every change of the store: equal for equal runs. */
  hash: string;
  revisions: number;
  fault: Fault | undefined;
  plan: readonly Action[];
  /** What happened, with virtual times, a line each. */
  told: readonly string[];
}

/** Virtual time for the first start, and for the way back to rest after the last fault. */
const BOOT_MS = 15_000;
const REST_MS = 15 * 60_000;
const SLICE_MS = 5_000;
const PLAN_SEED = 0x5eed;

export function planFor(seed: number, steps: number): Action[] {
  return planOf(seededRandom(seed ^ PLAN_SEED), steps);
}

export interface SimulateOptions {
  /** May break the cluster first, to show that it is noticed. */
  sabotage?: (cluster: Cluster) => void;
  store?: StoreFactory;
}

/** Carries the plan out and judges it; rejects only for a fault of the simulator itself. */
export async function simulate(
  seed: number,
  plan: readonly Action[],
  { sabotage, store }: SimulateOptions = {},
): Promise<Outcome> {
  const cluster = new Cluster(seed, store);
  sabotage?.(cluster);
  const ledger = new Ledger();
  const over = new AbortController();
  const seen = follow(cluster, over.signal);
  const watchers = watchersOf(cluster, over.signal);
  const crowd: Promise<void>[] = [];
  cluster.up();
  await cluster.run(BOOT_MS);
  let fault: Fault | undefined;
  for (const action of plan) {
    for (let i = 0; i < action.ticks; i++) await Promise.resolve();
    // Nobody waits for an answer: the next fault may come before it.
    crowd.push(Promise.resolve(ACTIONS[action.name](cluster, ledger, action.dice)));
    await cluster.run(action.thenMs);
    fault = seen.fault ?? (await checkAlways(cluster));
    if (fault) break;
  }
  if (!fault) {
    cluster.heal();
    await cluster.run(SLICE_MS);
    await Promise.all(crowd);
    fault = await comeToRest(() => checkAtRest(cluster, ledger, watchers), cluster);
    fault = seen.fault ?? fault;
  }
  over.abort();
  cluster.down();
  await cluster.store.close();
  const { told } = cluster;
  return { seed, plan, fault, told, revisions: seen.revisions, hash: seen.hash.digest('hex') };
}

/** They suffer what the first server suffers. */
function watchersOf(cluster: Cluster, signal: AbortSignal): Watchers {
  const { weather } = cluster.parts[0]!;
  const client = cluster.client('admin', ['system:masters'], weather, signal);
  const common = { client, clock: cluster.clock, random: cluster.random, signal };
  return {
    pods: startInformer({ ...common, kind: PodKind }),
    replicaSets: startInformer({ ...common, kind: ReplicaSetKind }),
    slices: startInformer({ ...common, kind: EndpointSliceKind }),
  };
}

async function comeToRest(
  check: () => Promise<Fault | undefined>,
  cluster: Cluster,
): Promise<Fault | undefined> {
  for (let waited = 0; ; waited += SLICE_MS) {
    const fault = await check();
    if (!fault || waited >= REST_MS) return fault;
    await cluster.run(SLICE_MS);
  }
}

function follow(cluster: Cluster, signal: AbortSignal) {
  const seen = { fault: undefined as Fault | undefined, revisions: 0, hash: createHash('sha256') };
  const read = async () => {
    for await (const { revision, events } of cluster.store.watch('', 0, signal)) {
      seen.revisions = revision;
      for (const event of events) {
        seen.hash.update(event.type === 'put' ? event.entry.key : `-${event.key}`);
        if (event.type === 'put') seen.hash.update(event.entry.value);
        seen.fault ??= checkEvent(event);
      }
    }
  };
  void read();
  return seen;
}

/** The fewest actions found, within a number of runs, that still lead to a fault. */
export async function shrink(failed: Outcome, options: SimulateOptions = {}, runs = 60): Promise<Outcome> {
  let best = failed;
  let left = runs;
  for (let size = Math.ceil(best.plan.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.plan.length && left-- > 0; ) {
      const outcome = await simulate(best.seed, best.plan.toSpliced(at, size), options);
      if (outcome.fault) best = outcome;
      else at += size;
    }
  }
  return best;
}

/** What happened, for people, and how it is run again. */
export function transcript({ seed, told, fault, plan }: Outcome): string {
  return [`seed ${seed}, ${plan.length} actions:`, ...told, `=> ${fault ?? 'all is well'}`].join('\n');
}
