import { DISK } from '#test/harness/host-space.ts';

/** Where each host keeps the records that its pod took, on its own disk. */
export const RECORDS = 'records';
export const NODE_PORT = 30080;
export const WRITERS_NAMESPACE = 'chaos';
export const IMAGES = ['gantry/records:1', 'gantry/hello:1'];
/** One fewer than the hosts: when one is away there is room for all. */
export const replicasOf = (hosts: number) => hosts - 1;
export const CHURN_REPLICAS = 3;

/** A record is acknowledged when it is on the disk. It begins with a newline, for what a full disk has cut before it. */
const RECORD = `#!/bin/sh
printf '\\n%s;\\n' "$QUERY_STRING" | dd of=/data/records oflag=append conv=notrunc,fsync 2>/dev/null || QUERY_STRING=refused
printf 'Content-Type: text/plain\\r\\n\\r\\n%s\\n' "$QUERY_STRING"
`;

const HEALTH = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\nok\\n'
`;

/** While a container of the pod runs it holds a lock in the volume: a second one of the same pod would say so there. */
const START = `
mkdir -p /data/locks
exec 9>/data/locks/$POD
flock -n 9 || { echo "$POD" >>/data/twice; sleep 5; exit 1; }
exec httpd -f -p 8080 -h /www`;

/** Pods of a node that is away are replaced at once. */
const TOLERATIONS = ['not-ready', 'unreachable'].map((name) => ({
  ...{ key: `node.kubernetes.io/${name}`, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 2 },
}));

const APART = {
  podAntiAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { labelSelector: { matchLabels: { app: 'records' } }, topologyKey: 'kubernetes.io/hostname' },
    ],
  },
};

const deployment = (name: string, replicas: number, spec: object, strategy: object) => ({
  ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name } },
  spec: {
    ...{ replicas, strategy: { type: 'RollingUpdate', rollingUpdate: strategy } },
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { tolerations: TOLERATIONS, terminationGracePeriodSeconds: 2, ...spec },
    },
  },
});

const recordsSpec = () => ({
  affinity: APART,
  containers: [
    {
      ...{ name: 'records', image: 'gantry/records:1', command: ['sh', '-c', START] },
      env: [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } }],
      ports: [{ containerPort: 8080 }],
      readinessProbe: { httpGet: { path: '/cgi-bin/health', port: 8080 }, periodSeconds: 1 },
      // Other nodes learn a moment later that a pod goes: until then it has to answer.
      lifecycle: { preStop: { sleep: { seconds: 1 } } },
      volumeMounts: [
        { name: 'data', mountPath: '/data' },
        { name: 'programs', mountPath: '/www/cgi-bin' },
      ],
    },
  ],
  volumes: [
    { name: 'data', hostPath: { path: `${DISK}/${RECORDS}`, type: 'DirectoryOrCreate' } },
    { name: 'programs', configMap: { name: 'programs', defaultMode: 0o755 } },
  ],
});

/** All objects of the run: the records behind their Service, and a Deployment that is rolled out again and again. */
export function objects(hosts: number): object[] {
  const selector = { app: 'records' };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: WRITERS_NAMESPACE } },
    {
      ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'programs' } },
      data: { record: RECORD, health: HEALTH },
    },
    deployment('records', replicasOf(hosts), recordsSpec(), { maxUnavailable: 1, maxSurge: 0 }),
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'records' } },
      spec: { type: 'NodePort', selector, ports: [{ port: 80, targetPort: 8080, nodePort: NODE_PORT }] },
    },
    deployment(
      'churn',
      CHURN_REPLICAS,
      { containers: [{ name: 'churn', image: 'gantry/hello:1' }] },
      { maxUnavailable: 1, maxSurge: 1 },
    ),
  ];
}
