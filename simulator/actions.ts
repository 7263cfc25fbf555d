/**
 * What happens in a run: deeds of people and faults, in one ordered list. Each is done by dice that were thrown when the
 * run was planned, so that a run can be repeated without some of its actions.
 */
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ServiceKind } from '#api/kinds/service.ts';
import type { Deployment, Pod, Service } from '#api/objects.ts';
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
const MAX_DELAY_MS = 3_000;
const MAX_SKEW_MS = 120_000;

function pick<T>(items: readonly T[], die: number): T {
  return items[Math.floor(die * items.length)]!;
}

/** Half of the time nothing, else up to `most`. */
function sometimes(die: number, most: number): number {
  return die > 0.5 ? Math.floor((die - 0.5) * 2 * most) : 0;
}

export const ACTIONS = {
  createDeployment: (cluster, ledger, [which, count]) => {
    const replicas = Math.floor(count! * MAX_REPLICAS);
    const name = pick(NAMES, which!);
    cluster.tell(`admin creates ${name} with ${replicas} replicas`);
    return ledger.write(name, replicas, () =>
      cluster.admin.create(DeploymentKind, deployment(name, replicas)),
    );
  },
  scale: (cluster, ledger, [which, count]) => {
    const replicas = Math.floor(count! * MAX_REPLICAS);
    const name = pick(NAMES, which!);
    const body = { spec: { replicas } };
    const key = { namespace: NAMESPACE, name };
    cluster.tell(`admin scales ${name} to ${replicas}`);
    return ledger.write(name, replicas, () =>
      cluster.admin.patch(DeploymentKind, key, { type: 'merge', body }),
    );
  },
  rollout: (cluster, ledger, [which, count]) => {
    const name = pick(NAMES, which!);
    const version = String(count).slice(2, 8);
    const body = { spec: { template: { metadata: { labels: { version } } } } };
    const key = { namespace: NAMESPACE, name };
    cluster.tell(`admin rolls ${name} out as version ${version}`);
    const write = () => cluster.admin.patch(DeploymentKind, key, { type: 'merge', body });
    return ledger.write(name, 'same', write);
  },
  deleteDeployment: (cluster, ledger, [which]) => {
    const name = pick(NAMES, which!);
    cluster.tell(`admin deletes ${name}`);
    return ledger.write(name, 'gone', () =>
      cluster.admin.delete(DeploymentKind, { namespace: NAMESPACE, name }),
    );
  },
  expose: async (cluster, _ledger, [which]) => {
    const name = pick(NAMES, which!);
    cluster.tell(`admin exposes ${name} as a Service`);
    await cluster.admin.create(ServiceKind, service(name)).catch(ignoreRefusal);
  },
  deletePod: async (cluster, _ledger, [which]) => {
    const pod = await anyPod(cluster, which!);
    cluster.tell(`admin deletes the pod ${pod?.metadata.name ?? '(none)'}`);
    if (pod) await cluster.admin.delete(PodKind, pod.metadata).catch(ignoreRefusal);
  },
  orphan: async (cluster, _ledger, [which]) => {
    const pod = await anyPod(cluster, which!);
    cluster.tell(`admin takes the labels off the pod ${pod?.metadata.name ?? '(none)'}`);
    const body = { metadata: { labels: { app: 'nobody' } } };
    if (pod) await cluster.admin.patch(PodKind, pod.metadata, { type: 'merge', body }).catch(ignoreRefusal);
  },
  crash: (cluster, _ledger, [which]) => {
    const part = pick(cluster.parts, which!);
    cluster.tell(`${part.name} crashes`);
    cluster.crash(part);
  },
  restart: (cluster) => {
    cluster.tell('what is down is started');
    cluster.up();
  },
  cut: (cluster, _ledger, [which]) => {
    const part = pick(cluster.parts, which!);
    cluster.tell(`${part.name} is cut off from the servers`);
    part.weather.cut = true;
  },
  mend: (cluster) => {
    cluster.tell('all are connected again');
    for (const { weather } of cluster.parts) weather.cut = false;
  },
  delay: (cluster, _ledger, [which, ms]) => {
    const part = pick(cluster.parts, which!);
    part.weather.delayMs = sometimes(ms!, MAX_DELAY_MS);
    cluster.tell(`answers to ${part.name} take ${part.weather.delayMs} ms`);
  },
  jitter: (cluster, _ledger, [which, ms]) => {
    const part = pick(cluster.parts, which!);
    part.weather.jitterMs = sometimes(ms!, MAX_DELAY_MS);
    cluster.tell(`answers to ${part.name} take up to ${part.weather.jitterMs} ms more, each its own`);
  },
  loseAnswers: (cluster, _ledger, [which]) => {
    const part = pick(cluster.parts, which!);
    cluster.tell(`the next two answers to ${part.name} are lost`);
    part.weather.loseAnswers += 2;
  },
  loseMyAnswer: (cluster) => {
    cluster.tell('the next answer to admin is lost');
    cluster.userWeather.loseAnswers = 1;
  },
  conflicts: (cluster, _ledger, [which]) => {
    const part = pick(cluster.parts, which!);
    cluster.tell(`the next three writes of ${part.name} meet conflicts`);
    part.weather.conflicts += 3;
  },
  skew: (cluster, _ledger, [which, ms]) => {
    const part = pick(cluster.parts, which!);
    part.skew.ms = Math.floor((ms! - 0.5) * 2 * MAX_SKEW_MS);
    cluster.tell(`the clock of ${part.name} is ${part.skew.ms} ms ahead`);
  },
  slowDisk: (cluster, _ledger, [ms]) => {
    cluster.disk.slowMs = sometimes(ms!, 1_000);
    cluster.tell(`commits take ${cluster.disk.slowMs} ms`);
  },
  failCommit: (cluster, _ledger, [when]) => {
    cluster.tell(`the next commit fails ${when! < 0.5 ? 'before' : 'after'} it is done`);
    cluster.disk[when! < 0.5 ? 'failBefore' : 'failAfter'] = 1;
  },
  runtimeFails: (cluster, _ledger, [which, call]) => {
    const calls = ['createSandbox', 'startContainer', 'stopContainer', 'removeSandbox'] as const;
    const node = pick(cluster.nodes, which!);
    cluster.tell(`${pick(calls, call!)} fails once on ${node.name}`);
    node.failRuntime(pick(calls, call!));
  },
  loseSandbox: async (cluster, _ledger, [which, sandbox]) => {
    const node = pick(cluster.nodes, which!);
    const uid = pick(await node.sandboxes(), sandbox!);
    cluster.tell(`${node.name} loses the sandbox ${uid ?? '(none)'}`);
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

function service(name: string): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: NAMESPACE },
    spec: { selector: { app: name }, ports: [{ port: 80 }] },
  } as Service;
}

export function deployment(name: string, replicas: number): Deployment {
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
