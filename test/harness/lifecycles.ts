import type { Pod } from '#api/objects.ts';
import type { TestCluster } from './cluster.ts';
import { type Holdings, holdings, leaks } from './holdings.ts';
import { eventually } from './run.ts';

const BATCH = 8;
const LABEL = 'soak';

/** Ends at SIGTERM, as a well-behaved program does. */
const SERVE = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1000 & wait $!; done'];

/** Pods of every sort, in turn, so that each thing that could be left behind is made. */
function podOf(index: number): Pod {
  const sorts: Partial<NonNullable<Pod['spec']>>[] = [
    {},
    { shareProcessNamespace: true },
    { initContainers: [{ name: 'init', image: 'gantry/hello:1', command: ['true'] }] },
    { hostNetwork: true },
  ];
  const probe = { exec: { command: ['true'] }, periodSeconds: 1 };
  const main = { name: 'main', image: 'gantry/hello:1', command: SERVE, readinessProbe: probe };
  // Fails once at each start but the first: restarts leave things behind too.
  const marker = '[ -e /scratch/again ] || { touch /scratch/again; exit 1; }';
  const second = {
    name: 'second',
    image: 'gantry/hello:1',
    command: ['sh', '-c', `${marker}; ${SERVE[2]}`],
    volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }],
    resources: { limits: { memory: '64Mi', cpu: '100m' } },
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `soak-${index}`, labels: { app: LABEL } },
    spec: {
      terminationGracePeriodSeconds: 2,
      containers: [main, second],
      volumes: [
        { name: 'scratch', emptyDir: {} },
        { name: 'memory', emptyDir: { medium: 'Memory' } },
        { name: 'settings', configMap: { name: 'kube-root-ca.crt' } },
      ],
      ...sorts[index % sorts.length],
    },
  };
}

/** Pods from nothing to Ready and back to nothing, eight at a time; logs and exec are used meanwhile. */
async function batch(cluster: TestCluster, first: number, count: number): Promise<void> {
  const items = Array.from({ length: count }, (_, i) => podOf(first + i));
  await cluster.must(['create', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  });
  await cluster.must(['wait', '--for=condition=Ready', 'pod', '-l', `app=${LABEL}`, '--timeout=60s']);
  await cluster.must(['exec', `soak-${first}`, '-c', 'main', '--', 'true']);
  await cluster.must(['logs', `soak-${first}`, '-c', 'second']);
  await cluster.must(['delete', 'pod', '-l', `app=${LABEL}`, '--wait=true', '--timeout=60s']);
}

/** Runs `total` lifecycles and says what is left of them; waits a while for what is only slow to go. */
export async function leaksOf(cluster: TestCluster, total: number): Promise<string[]> {
  // What is opened once and kept is not what this is about.
  await batch(cluster, 0, BATCH);
  await eventually('the node is quiet', async () =>
    cluster.pids('monitor').length === 0 ? true : undefined,
  );
  const before = await holdings(cluster);
  const began = performance.now();
  for (let done = 0; done < total; done += BATCH) {
    await batch(cluster, BATCH + done, Math.min(BATCH, total - done));
  }
  const seconds = (performance.now() - began) / 1000;
  let after: Holdings = await holdings(cluster);
  await eventually('nothing is left', async () => {
    after = await holdings(cluster);
    return leaks(before, after).length === 0 ? true : undefined;
  }).catch(() => undefined); // what is left is the answer
  console.log(
    `${total} lifecycles in ${seconds.toFixed(1)} s; ${report('server', before, after)}; ${report('agent', before, after)}`,
  );
  return leaks(before, after);
}

function report(role: 'server' | 'agent', before: Holdings, after: Holdings): string {
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  return `${role} ${mib(before.rssBytes[role])} -> ${mib(after.rssBytes[role])} MiB, ${before.descriptors[role]} -> ${after.descriptors[role]} descriptors`;
}
