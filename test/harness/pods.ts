import type { ContainerStatus, Pod } from '#api/objects.ts';
import type { TestCluster } from './cluster.ts';
import { eventually } from './run.ts';

/** Pods as tests write them: short, of one busybox image, in the namespace `default`. */
export class TestPods {
  readonly #cluster: TestCluster;

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
  }

  /** A container named `c` that runs `script`. */
  container(script: string, more: object = {}): object {
    return {
      name: 'c',
      image: 'gantry/busybox:1',
      imagePullPolicy: 'IfNotPresent',
      command: ['sh', '-c', script],
      ...more,
    };
  }

  create(name: string, spec: object, metadata: object = {}): Promise<string> {
    return this.#cluster.must(['create', '-f', '-'], {
      input: JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, ...metadata },
        spec: { terminationGracePeriodSeconds: 1, ...spec },
      }),
    });
  }

  /** Creates it and waits until it is Ready. */
  async run(name: string, spec: object, metadata: object = {}): Promise<void> {
    await this.create(name, spec, metadata);
    await this.ready(name);
  }

  ready(name: string): Promise<string> {
    return this.#cluster.must(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=30s']);
  }

  /** What a shell in the pod prints; fails when the script does. */
  async sh(pod: string, script: string): Promise<string> {
    return (await this.#cluster.must(['exec', pod, '--', 'sh', '-c', script])).trim();
  }

  get(name: string): Promise<Pod> {
    return this.#cluster.json<Pod>(['get', 'pod', name]);
  }

  until(name: string, look: (pod: Pod) => boolean, timeoutMs = 30_000): Promise<Pod> {
    return eventually(
      `pod ${name} is as wanted`,
      async () => {
        const pod = await this.get(name);
        return look(pod) ? pod : undefined;
      },
      { timeoutMs },
    );
  }

  delete(name: string): Promise<string> {
    return this.#cluster.must(['delete', 'pod', name, '--timeout=30s']);
  }

  /** Reasons of the events about the pod. */
  async events(name: string): Promise<string[]> {
    const selector = `involvedObject.name=${name},involvedObject.kind=Pod`;
    const { items } = await this.#cluster.json<{ items: { reason: string; message: string }[] }>([
      ...['get', 'events', '--field-selector', selector],
    ]);
    return items.map(({ reason, message }) => `${reason}: ${message}`);
  }
}

/** Of the first container, or the one named. */
export function statusOf(pod: Pod, container?: string): ContainerStatus | undefined {
  const all = pod.status?.containerStatuses;
  return container === undefined ? all?.[0] : all?.find(({ name }) => name === container);
}

export function conditionOf(pod: Pod, type: string): string | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type)?.status;
}
