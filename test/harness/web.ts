import { readdirSync, readFileSync } from 'node:fs';
import type { Pod } from '#api/objects.ts';
import type { TestCluster } from './cluster.ts';
import { eventually } from './run.ts';

const REPLICAS = 3;

/** busybox's httpd ignores SIGTERM as the first process of a container: a short grace keeps the tests quick. */
const DEPLOYMENT = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    replicas: REPLICAS,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'hello',
            image: 'gantry/hello:1',
            ports: [{ containerPort: 8080 }],
            readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
};

/** Three web servers behind a Service: what tests break and look at. */
export class Web {
  readonly #cluster: TestCluster;
  url = '';

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
  }

  async deploy(): Promise<void> {
    const cluster = this.#cluster;
    await cluster.loadImages(['gantry/hello:1']);
    await cluster.must(['apply', '-f', '-'], { input: JSON.stringify(DEPLOYMENT) });
    await cluster.must(['expose', 'deployment', 'web', '--port=80', '--target-port=8080']);
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    const ip = await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}']);
    this.url = `http://${ip.trim()}/healthz`;
    await eventually('the Service answers', () => this.answers());
  }

  /** True when the Service answers from the node; undefined when not. */
  async answers(): Promise<true | undefined> {
    const { code } = await this.#cluster.inside('curl', ['-sf', '-m', '2', this.url]);
    return code === 0 ? true : undefined;
  }

  async pods(): Promise<Pod[]> {
    return (await this.#cluster.json<{ items: Pod[] }>(['get', 'pods', '-l', 'app=web'])).items;
  }

  /** Pod, container and number of restarts, as one line each: equal before and after when nothing was restarted. */
  async ids(): Promise<string[]> {
    const lines = (await this.pods()).map(({ metadata, status }) => {
      const { containerID, restartCount } = status?.containerStatuses?.[0] ?? {};
      return `${metadata.uid} ${containerID} ${restartCount}`;
    });
    return lines.sort();
  }

  allReady(): Promise<true> {
    const look = async () => {
      const list = await this.pods();
      return list.length === REPLICAS && list.every(isReady) ? true : undefined;
    };
    return eventually('all pods are ready', look);
  }

  sameIds(before: readonly string[]): Promise<true> {
    return eventually('the cluster knows its containers again', async () =>
      JSON.stringify(await this.ids()) === JSON.stringify(before) ? true : undefined,
    );
  }

  /** Pids on this machine of the containers' programs: of this instance, as their cgroups say. */
  programs(): number[] {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    const ours = pids.filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('httpd\0') &&
          readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(this.#cluster.instance)
        );
      } catch (error) {
        // It ended between the listing and the look.
        if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
        throw error;
      }
    });
    // One that answers a request forks: the child is gone in a moment.
    const isServer = (pid: string) => !ours.includes(parentOf(pid));
    return ours
      .filter(isServer)
      .map(Number)
      .sort((a, b) => a - b);
  }
}

function isReady({ metadata, status }: Pod): boolean {
  const ready = status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True');
  return ready === true && !metadata.deletionTimestamp;
}

/** Empty when it has ended. Source: proc(5), /proc/pid/stat. */
function parentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[1]!;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}
