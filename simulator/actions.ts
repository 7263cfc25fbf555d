/**
 * What happens in a run: deeds of people and faults, in one ordered list. Each is done by dice that were thrown when the
 * run was planned, so that a run can be repeated without some of its actions.
 */
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { Deployment, Pod } from '#api/objects.ts';
import { isStatus } from '#machinery/errors.ts';
import type { Random } from '#machinery/random.ts';
import type { Cluster } from './cluster.ts';
import type { Ledger } from './ledger.ts';

export interface Action {
  name: keyof typeof ACTIONS;
  /** Each in [0, 1). */
  dice: number[];
  /** Turns of the microtask queue before it is done, so that it falls into any await. */
  ticks: number;
  /** Virtual time that passes afterwards. */
  thenMs: number;
}

type Do = (cluster: Cluster, ledger: Ledger, dice: readonly number[]) => void | Promise<void>;

const NAMESPACE = 'default';
const NAMES = ['web', 'api', 'job'];
const MAX_REPLICAS = 6;

function pick<T>(items: readonly T[], die: number): T {
  return items[Math.floor(die * items.length)]!;
}

export const ACTIONS = {
  createDeployment: (cluster, ledger, [which, count]) => {
    const replicas = Math.floor(count! * MAX_REPLICAS);
    const name = pick(NAMES, which!);
    return ledger.write(name, replicas, () =>
      cluster.admin.create(DeploymentKind, deployment(name, replicas)),
    );
  },
  scale: (cluster, ledger, [which, count]) => {
    const replicas = Math.floor(count! * MAX_REPLICAS);
    const name = pick(NAMES, which!);
    const body = { spec: { replicas } };
    const key = { namespace: NAMESPACE, name };
    return ledger.write(name, replicas, () =>
      cluster.admin.patch(DeploymentKind, key, { type: 'merge', body }),
    );
  },
  rollout: (cluster, ledger, [which, count]) => {
    const name = pick(NAMES, which!);
    const body = { spec: { template: { metadata: { labels: { version: String(count).slice(2, 8) } } } } };
    const key = { namespace: NAMESPACE, name };
    const write = () => cluster.admin.patch(DeploymentKind, key, { type: 'merge', body });
    return ledger.write(name, 'same', write);
  },
  deleteDeployment: (cluster, ledger, [which]) => {
    const name = pick(NAMES, which!);
    return ledger.write(name, 'gone', () =>
      cluster.admin.delete(DeploymentKind, { namespace: NAMESPACE, name }),
    );
  },
  deletePod: async (cluster, _ledger, [which]) => {
    const pod = await anyPod(cluster, which!);
    if (pod) await cluster.admin.delete(PodKind, pod.metadata).catch(ignoreRefusal);
  },
  crash: (cluster, _ledger, [which]) => cluster.crash(pick(cluster.parts, which!)),
  restart: (cluster) => cluster.up(),
  cut: (cluster, _ledger, [which]) => {
    pick(cluster.parts, which!).weather.cut = true;
  },
  mend: (cluster) => {
    for (const { weather } of cluster.parts) weather.cut = false;
  },
  delay: (cluster, _ledger, [which, ms]) => {
    pick(cluster.parts, which!).weather.delayMs = Math.floor(ms! * 3_000) * (ms! > 0.5 ? 1 : 0);
  },
  loseAnswers: (cluster, _ledger, [which]) => {
    pick(cluster.parts, which!).weather.loseAnswers += 2;
  },
  loseMyAnswer: (cluster) => {
    cluster.userWeather.loseAnswers = 1;
  },
  conflicts: (cluster, _ledger, [which]) => {
    pick(cluster.parts, which!).weather.conflicts += 3;
  },
  slowDisk: (cluster, _ledger, [ms]) => {
    cluster.disk.slowMs = ms! > 0.5 ? Math.floor(ms! * 1_000) : 0;
  },
  runtimeFails: (cluster, _ledger, [which, call]) => {
    const calls = ['createSandbox', 'startContainer', 'stopContainer', 'removeSandbox'] as const;
    pick(cluster.nodes, which!).failRuntime(pick(calls, call!));
  },
  loseSandbox: async (cluster, _ledger, [which, sandbox]) => {
    const node = pick(cluster.nodes, which!);
    const uid = pick(await node.sandboxes(), sandbox!);
    if (uid) node.loseSandbox(uid);
  },
} satisfies Record<string, Do>;

const NAMES_OF_ACTIONS = Object.keys(ACTIONS) as Action['name'][];

/** A plan of that many actions. */
export function planOf(random: Random, steps: number): Action[] {
  return Array.from({ length: steps }, () => ({
    name: pick(NAMES_OF_ACTIONS, random.next()),
    dice: [random.next(), random.next()],
    ticks: Math.floor(random.next() * 40),
    thenMs: Math.floor(random.next() ** 3 * 20_000),
  }));
}

async function anyPod(cluster: Cluster, die: number): Promise<Pod | undefined> {
  const list = await cluster.admin.list(PodKind, { namespace: NAMESPACE }).catch(ignoreRefusal);
  return list && pick(list.items, die);
}

function ignoreRefusal(error: unknown): undefined {
  if (!isStatus(error)) throw error;
}

function deployment(name: string, replicas: number): Deployment {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 5,
          containers: [{ name: 'main', image: 'busybox', command: ['obedient'] }],
        },
      },
    },
  } as Deployment;
}
