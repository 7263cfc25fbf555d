import type { Container, Pod, PodSpec } from '#api/objects.ts';
import type { ExitStatus } from '#runtime/contract.ts';
import { type ContainerObserved, newObserved, type Observed, type Run } from './observed.ts';
import type { View } from './view.ts';

/** For tests of what is pure: a pod and what is known of it, written short. */

export const NOW = Date.UTC(2026, 0, 1, 12);

export const MAIN: Container = { name: 'main', image: 'busybox:1' };

export function podWith(spec: Partial<PodSpec> = {}, metadata: Partial<Pod['metadata']> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default', uid: 'uid-1', ...metadata },
    spec: { containers: [MAIN], ...spec },
  };
}

export function run(attempt = 0, exit?: Partial<ExitStatus>): Run {
  const startedAtMs = NOW - 60_000;
  return {
    id: `main.${attempt}`,
    attempt,
    image: 'busybox:1',
    imageId: 'sha256:1',
    startedAtMs,
    ...(exit && { exit: { code: 1, reason: 'Error', finishedAtMs: NOW - 1000, ...exit } }),
  };
}

export function containerWith(part: Partial<ContainerObserved> = {}): ContainerObserved {
  return { backoffMs: 0, restartedAtMs: NOW - 60_000, hooked: true, started: true, ready: true, ...part };
}

const IMAGE = { id: 'sha256:1', names: [], config: {}, layers: ['/l'], sizeBytes: 1 };

/** Images, volumes, sandbox and network are there. */
export function prepared(
  containers: Record<string, Partial<ContainerObserved>> = {},
  part: Partial<Observed> = {},
): Observed {
  const observed = newObserved(NOW - 120_000);
  for (const name of ['main', 'init', 'side', 'other']) {
    observed.images.set(name, { image: IMAGE as never, imageId: 'sha256:1' });
  }
  for (const [name, one] of Object.entries(containers)) observed.containers.set(name, containerWith(one));
  return Object.assign(
    observed,
    {
      sandbox: 'ready',
      networkNamespace: '/proc/1/ns/net',
      attachment: { addresses: ['10.244.0.2'], gateway: '10.244.0.1', interface: 'eth0' },
      attached: true,
      mounted: true,
      volumes: new Map(),
    },
    part,
  );
}

export function viewOf(pod: Pod, observed: Observed, busy: string[] = [], nowMs = NOW): View {
  return { pod, observed, busy: new Set(busy), nowMs };
}
