import { describe, expect, it } from 'vitest';
import { PodKind } from '../kinds/pod.ts';
import type { Pod, PodSpec } from '../objects.ts';
import { pullPolicyOf } from './container.ts';
import { defaultPodTemplate } from './pod-spec.ts';

function defaulted(spec: PodSpec): PodSpec {
  const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'd' }, spec };
  PodKind.strategy.defaults!(pod);
  return pod.spec!;
}

describe('the defaults of a pod', () => {
  it('are those of Kubernetes', () => {
    expect(defaulted({ containers: [{ name: 'a', image: 'b', ports: [{ containerPort: 1 }] }] })).toEqual({
      containers: [
        {
          name: 'a',
          image: 'b',
          imagePullPolicy: 'Always',
          resources: {},
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
          ports: [{ containerPort: 1, protocol: 'TCP' }],
        },
      ],
      dnsPolicy: 'ClusterFirst',
      enableServiceLinks: true,
      restartPolicy: 'Always',
      schedulerName: 'default-scheduler',
      securityContext: {},
      terminationGracePeriodSeconds: 30,
    });
  });

  it('leave alone what is given, zero too', () => {
    const spec = defaulted({
      containers: [],
      dnsPolicy: 'None',
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      enableServiceLinks: false,
      serviceAccountName: 'me',
    });
    expect(spec).toMatchObject({
      dnsPolicy: 'None',
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      enableServiceLinks: false,
      serviceAccount: 'me',
    });
    expect(defaulted({ containers: [], serviceAccount: 'old' }).serviceAccountName).toBe('old');
  });

  it('take requests from limits, and write quantities canonically', () => {
    const resources = { limits: { cpu: '1000m', memory: '1024Mi' }, requests: { cpu: '0.5' } };
    expect(defaulted({ containers: [{ name: 'a', resources }] }).containers[0]!.resources).toEqual({
      limits: { cpu: '1', memory: '1Gi' },
      requests: { cpu: '500m', memory: '1Gi' },
    });
  });

  it('fill in probes, references and volumes', () => {
    const { containers, volumes } = defaulted({
      containers: [
        {
          name: 'a',
          env: [
            { name: 'N', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
            { name: 'C', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
          ],
          livenessProbe: { httpGet: { port: 80 } },
          readinessProbe: { grpc: { port: 1 }, periodSeconds: 3 },
          lifecycle: { preStop: { httpGet: { port: 1 } } },
        },
      ],
      volumes: [
        { name: 'v1' },
        { name: 'v2', secret: { secretName: 's' } },
        { name: 'v3', configMap: { name: 'c', defaultMode: 0 } },
        { name: 'v4', hostPath: { path: '/' } },
        { name: 'v5', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } },
        { name: 'v6', emptyDir: { sizeLimit: '1024Ki' } },
      ],
    });
    const [container] = containers;
    expect(container!.livenessProbe).toEqual({
      httpGet: { port: 80, path: '/', scheme: 'HTTP' },
      failureThreshold: 3,
      periodSeconds: 10,
      successThreshold: 1,
      timeoutSeconds: 1,
    });
    expect(container!.readinessProbe).toMatchObject({ grpc: { port: 1, service: '' }, periodSeconds: 3 });
    expect(container!.lifecycle!.preStop!.httpGet).toEqual({ port: 1, path: '/', scheme: 'HTTP' });
    expect(container!.env!.map(({ valueFrom }) => valueFrom)).toEqual([
      { fieldRef: { fieldPath: 'metadata.name', apiVersion: 'v1' } },
      { resourceFieldRef: { resource: 'limits.cpu', divisor: '0' } },
    ]);
    expect(volumes).toEqual([
      { name: 'v1', emptyDir: {} },
      { name: 'v2', secret: { secretName: 's', defaultMode: 420 } },
      { name: 'v3', configMap: { name: 'c', defaultMode: 0 } },
      { name: 'v4', hostPath: { path: '/', type: '' } },
      {
        name: 'v5',
        projected: {
          sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 3600 } }],
          defaultMode: 420,
        },
      },
      { name: 'v6', emptyDir: { sizeLimit: '1Mi' } },
    ]);
  });

  it('are the same when applied again', () => {
    const spec = defaulted({
      containers: [{ name: 'a', image: 'b', resources: { limits: { cpu: '0.5' } } }],
      volumes: [{ name: 'v' }],
    });
    expect(defaulted(structuredClone(spec))).toEqual(spec);
  });
});

it('a template gets less than a pod: what depends on the pod being final', () => {
  const limits = { cpu: '1' };
  const template = {
    spec: {
      hostNetwork: true,
      containers: [{ name: 'a', resources: { limits }, ports: [{ containerPort: 1 }] }],
    },
  };
  defaultPodTemplate(template);
  expect(template.spec).not.toHaveProperty('enableServiceLinks');
  expect(template.spec.containers[0]).toMatchObject({ resources: { limits }, ports: [{ containerPort: 1 }] });
  expect(template.spec.containers[0]!.resources).not.toHaveProperty('requests');
  expect(template.spec.containers[0]!.ports[0]).not.toHaveProperty('hostPort');
});

it.each([
  ['nginx', 'Always'],
  ['nginx:latest', 'Always'],
  ['nginx:1.27', 'IfNotPresent'],
  ['localhost:5000/nginx', 'Always'],
  ['localhost:5000/nginx:1', 'IfNotPresent'],
  ['nginx@sha256:aaaa', 'IfNotPresent'],
  ['nginx:latest@sha256:aaaa', 'Always'],
  ['', 'IfNotPresent'],
])('the pull policy of %s is %s', (image, policy) => {
  expect(pullPolicyOf(image)).toBe(policy);
});

describe('the life of a pod', () => {
  const pod = (spec: Partial<PodSpec> = {}, phase = 'Running'): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { containers: [], nodeName: 'n', terminationGracePeriodSeconds: 30, ...spec },
    status: { phase },
  });
  const grace = PodKind.strategy.graceSeconds!;

  it('begins as Pending with its class, and on hold when it has gates', () => {
    const fresh = pod({ schedulingGates: [{ name: 'g' }] });
    PodKind.strategy.prepareForCreate!(fresh);
    expect(fresh.status).toMatchObject({
      phase: 'Pending',
      qosClass: 'BestEffort',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
    });
  });

  it.each<[number, Pod, number | undefined]>([
    [30, pod(), undefined],
    [5, pod(), 5],
    [0, pod(), 0],
    [1, pod(), -1],
    [0, pod({ nodeName: '' }), undefined],
    [0, pod({}, 'Succeeded'), undefined],
    [0, pod({}, 'Failed'), 10],
  ])('ends with a grace of %s s', (seconds, object, asked) => {
    expect(grace(object, asked)).toBe(seconds);
  });
});
