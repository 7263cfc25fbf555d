import { describe, expect, it } from 'vitest';
import type { ContainerStatus, Pod, PodStatus } from '../objects.ts';
import { podColumns } from './pod-columns.ts';

const NOW = Date.UTC(2026, 0, 1, 12, 0, 0);
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();

type State = NonNullable<ContainerStatus['state']>;

function container(name: string, state: State, more: Partial<ContainerStatus> = {}): ContainerStatus {
  return { name, image: 'i', imageID: '', ready: false, restartCount: 0, state, ...more };
}

const running: State = { running: {} };
const waiting = (reason: string): State => ({ waiting: { reason } });
const ended = (exitCode: number, reason?: string, signal?: number): State => ({
  terminated: { exitCode, reason, signal },
});
const conditions = (...types: string[]) => types.map((type) => ({ type, status: 'True' }));

/** A pod of two app containers, two init containers and, when asked for, a sidecar. */
function pod(
  status: PodStatus,
  { sidecar = false, ...metadata }: Partial<Pod['metadata']> & { sidecar?: boolean } = {},
): Pod {
  const initContainers = [
    { name: 'i1' },
    { name: 'i2' },
    ...(sidecar ? [{ name: 's', restartPolicy: 'Always' }] : []),
  ];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', creationTimestamp: ago(3 * 60 + 5), ...metadata },
    spec: { initContainers, containers: [{ name: 'a' }, { name: 'b' }] },
    status,
  };
}

function cells(object: Pod, priority: 0 | 1 = 0): string {
  return podColumns
    .filter((column) => column.priority <= priority)
    .map((column) => column.cell(object, NOW))
    .join(' | ');
}

const done = ended(0, 'Completed');
const inited = [container('i1', done), container('i2', done)];

describe('kubectl get pods', () => {
  it.each<[string, string, Pod]>([
    ['not scheduled', 'p | 0/2 | Pending | 0 | 3m5s', pod({ phase: 'Pending' })],
    [
      'held by a scheduling gate',
      'p | 0/2 | SchedulingGated | 0 | 3m5s',
      pod({
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
      }),
    ],
    [
      'the first init container runs',
      'p | 0/2 | Init:0/2 | 0 | 3m5s',
      pod({
        phase: 'Pending',
        initContainerStatuses: [container('i1', running), container('i2', waiting('PodInitializing'))],
      }),
    ],
    [
      'the second init container waits its turn',
      'p | 0/2 | Init:1/2 | 0 | 3m5s',
      pod({
        phase: 'Pending',
        initContainerStatuses: [container('i1', done), container('i2', waiting('PodInitializing'))],
      }),
    ],
    [
      'an init container fails again and again',
      'p | 0/2 | Init:CrashLoopBackOff | 3 (10s ago) | 3m5s',
      pod({
        phase: 'Pending',
        initContainerStatuses: [
          container('i1', waiting('CrashLoopBackOff'), {
            restartCount: 3,
            lastState: { terminated: { exitCode: 1, finishedAt: ago(10) } },
          }),
        ],
      }),
    ],
    [
      'an init container ended with a code',
      'p | 0/2 | Init:ExitCode:2 | 0 | 3m5s',
      pod({ phase: 'Pending', initContainerStatuses: [container('i1', ended(2))] }),
    ],
    [
      'an init container was killed',
      'p | 0/2 | Init:Signal:9 | 0 | 3m5s',
      pod({ phase: 'Pending', initContainerStatuses: [container('i1', ended(137, undefined, 9))] }),
    ],
    [
      'an init container ran out of memory',
      'p | 0/2 | Init:OOMKilled | 0 | 3m5s',
      pod({ phase: 'Pending', initContainerStatuses: [container('i1', ended(137, 'OOMKilled'))] }),
    ],
    [
      'app containers are being made',
      'p | 0/2 | PodInitializing | 0 | 3m5s',
      pod({
        phase: 'Pending',
        initContainerStatuses: inited,
        containerStatuses: [
          container('a', waiting('PodInitializing')),
          container('b', waiting('PodInitializing')),
        ],
      }),
    ],
    [
      'all is well',
      'p | 2/2 | Running | 0 | 3m5s',
      pod({
        phase: 'Running',
        initContainerStatuses: inited,
        containerStatuses: [
          container('a', running, { ready: true }),
          container('b', running, { ready: true }),
        ],
      }),
    ],
    [
      'one container crashes',
      'p | 1/2 | CrashLoopBackOff | 7 (5s ago) | 3m5s',
      pod({
        phase: 'Running',
        initContainerStatuses: inited,
        containerStatuses: [
          container('a', waiting('CrashLoopBackOff'), {
            restartCount: 5,
            lastState: { terminated: { exitCode: 1, finishedAt: ago(5) } },
          }),
          container('b', running, {
            ready: true,
            restartCount: 2,
            lastState: { terminated: { exitCode: 1, finishedAt: ago(100) } },
          }),
        ],
      }),
    ],
    [
      'the image is not there',
      'p | 0/2 | ErrImagePull | 0 | 3m5s',
      pod({
        phase: 'Pending',
        containerStatuses: [
          container('a', waiting('ErrImagePull')),
          container('b', waiting('ImagePullBackOff')),
        ],
      }),
    ],
    [
      'one container is done and the other runs',
      'p | 1/2 | Running | 0 | 3m5s',
      pod({
        phase: 'Running',
        conditions: conditions('Ready'),
        containerStatuses: [container('a', done), container('b', running, { ready: true })],
      }),
    ],
    [
      'one container is done and the pod is not ready',
      'p | 1/2 | NotReady | 0 | 3m5s',
      pod({
        phase: 'Running',
        containerStatuses: [container('a', done), container('b', running, { ready: true })],
      }),
    ],
    [
      'all are done',
      'p | 0/2 | Completed | 0 | 3m5s',
      pod({ phase: 'Succeeded', containerStatuses: [container('a', done), container('b', done)] }),
    ],
    [
      'one ended with a code and no reason',
      'p | 0/2 | ExitCode:3 | 0 | 3m5s',
      pod({ phase: 'Failed', containerStatuses: [container('a', ended(3)), container('b', done)] }),
    ],
    ['the node evicted it', 'p | 0/2 | Evicted | 0 | 3m5s', pod({ phase: 'Failed', reason: 'Evicted' })],
    [
      'it is going',
      'p | 2/2 | Terminating | 0 | 3m5s',
      pod(
        {
          phase: 'Running',
          containerStatuses: [
            container('a', running, { ready: true }),
            container('b', running, { ready: true }),
          ],
        },
        { deletionTimestamp: ago(1) },
      ),
    ],
    [
      'it is going and had ended',
      'p | 0/2 | Completed | 0 | 3m5s',
      pod(
        { phase: 'Succeeded', containerStatuses: [container('a', done), container('b', done)] },
        { deletionTimestamp: ago(1) },
      ),
    ],
    [
      'its node is lost',
      'p | 0/2 | Unknown | 0 | 3m5s',
      pod({ phase: 'Running', reason: 'NodeLost' }, { deletionTimestamp: ago(1) }),
    ],
    [
      'a sidecar counts, also its restarts; those of other init containers do not',
      'p | 3/3 | Running | 1 (8s ago) | 3m5s',
      pod(
        {
          phase: 'Running',
          initContainerStatuses: [
            container('i1', done, { restartCount: 4 }),
            container('i2', done),
            container('s', running, {
              ready: true,
              started: true,
              restartCount: 1,
              lastState: { terminated: { exitCode: 1, finishedAt: ago(8) } },
            }),
          ],
          containerStatuses: [
            container('a', running, { ready: true }),
            container('b', running, { ready: true }),
          ],
        },
        { sidecar: true },
      ),
    ],
  ])('%s', (_what, expected, object) => {
    expect(cells(object)).toBe(expected);
  });

  it('-o wide adds address, node, nominated node and readiness gates', () => {
    const placed = pod({
      phase: 'Running',
      podIP: '10.0.0.4',
      podIPs: [{ ip: '10.0.0.4' }, { ip: 'fd00::4' }],
      nominatedNodeName: 'n2',
      conditions: conditions('example.com/ok'),
    });
    placed.spec!.nodeName = 'n1';
    placed.spec!.readinessGates = [
      { conditionType: 'example.com/ok' },
      { conditionType: 'example.com/other' },
    ];
    expect(cells(placed, 1)).toBe('p | 0/2 | Running | 0 | 3m5s | 10.0.0.4 | n1 | n2 | 1/2');
    expect(cells(pod({ phase: 'Pending' }), 1)).toBe(
      'p | 0/2 | Pending | 0 | 3m5s | <none> | <none> | <none> | <none>',
    );
    expect(podColumns.map((column) => column.name).join(' ')).toBe(
      'Name Ready Status Restarts Age IP Node Nominated Node Readiness Gates',
    );
  });
});
