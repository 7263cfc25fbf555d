import { PodKind } from '../kinds/pod.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const web = { name: 'web', image: 'nginx' };
const labelSelector = { matchLabels: { app: 'web' } };
const times = {
  initialDelaySeconds: 1,
  timeoutSeconds: 2,
  periodSeconds: 3,
  failureThreshold: 4,
  successThreshold: 1,
  terminationGracePeriodSeconds: 5,
};
const httpGet = {
  path: '/healthz',
  port: 80,
  host: '127.0.0.1',
  scheme: 'HTTPS',
  httpHeaders: [{ name: 'X-Probe', value: '1' }],
};
const term = {
  labelSelector,
  namespaces: ['default'],
  topologyKey: 'kubernetes.io/hostname',
  namespaceSelector: labelSelector,
  matchLabelKeys: ['version'],
  mismatchLabelKeys: ['tenant'],
};
const podAffinity = {
  requiredDuringSchedulingIgnoredDuringExecution: [term],
  preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 10, podAffinityTerm: term }],
};
const items = [{ key: 'a', path: 'b', mode: 0o400 }];
const downward = [
  { path: 'labels', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.labels' }, mode: 0o400 },
  { path: 'cpu', resourceFieldRef: { containerName: 'web', resource: 'limits.cpu', divisor: '1m' } },
];

const container = {
  ...web,
  command: ['nginx'],
  args: ['-g', 'daemon off;'],
  workingDir: '/srv',
  ports: [{ name: 'http', containerPort: 80, hostPort: 8080, hostIP: '127.0.0.1', protocol: 'TCP' }],
  envFrom: [
    { prefix: 'C_', configMapRef: { name: 'settings', optional: true } },
    { secretRef: { name: 'secrets', optional: true } },
  ],
  env: [
    { name: 'PLAIN', value: 'x' },
    { name: 'NODE', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'spec.nodeName' } } },
    {
      name: 'CPU',
      valueFrom: { resourceFieldRef: { containerName: 'web', resource: 'limits.cpu', divisor: '1' } },
    },
    { name: 'MAP', valueFrom: { configMapKeyRef: { name: 'settings', key: 'a', optional: true } } },
    { name: 'KEY', valueFrom: { secretKeyRef: { name: 'secrets', key: 'a', optional: true } } },
  ],
  resources: { limits: { cpu: '2', memory: '1Gi' }, requests: { cpu: '1', memory: '1Gi' } },
  resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }],
  volumeMounts: [
    {
      name: 'scratch',
      mountPath: '/scratch',
      readOnly: true,
      recursiveReadOnly: 'Disabled',
      subPath: 'a/b',
      mountPropagation: 'None',
    },
    { name: 'scratch', mountPath: '/logs', subPathExpr: '$(PLAIN)' },
  ],
  livenessProbe: { exec: { command: ['true'] }, ...times },
  readinessProbe: { httpGet },
  startupProbe: { tcpSocket: { port: 'http', host: '127.0.0.1' } },
  lifecycle: {
    postStart: { exec: { command: ['true'] } },
    preStop: { httpGet },
  },
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'FallbackToLogsOnError',
  imagePullPolicy: 'IfNotPresent',
  securityContext: {
    capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] },
    privileged: false,
    seLinuxOptions: { user: 'u', role: 'r', type: 't', level: 's0' },
    runAsUser: 1000,
    runAsGroup: 1000,
    runAsNonRoot: true,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    procMount: 'Default',
    seccompProfile: { type: 'Localhost', localhostProfile: 'web.json' },
    appArmorProfile: { type: 'Localhost', localhostProfile: 'web' },
  },
  stdin: true,
  stdinOnce: true,
  tty: true,
};

const second = {
  name: 'side',
  image: 'envoy',
  livenessProbe: { grpc: { port: 9000, service: 'health' } },
  lifecycle: { postStart: { tcpSocket: { port: 80 } }, preStop: { sleep: { seconds: 1 } } },
};

const scheduling = {
  nodeSelector: { disk: 'ssd' },
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [
          {
            matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }],
            matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-1'] }],
          },
        ],
      },
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 1, preference: { matchExpressions: [{ key: 'zone', operator: 'Exists' }] } },
      ],
    },
    podAffinity,
    podAntiAffinity: podAffinity,
  },
  tolerations: [{ key: 'gpu', operator: 'Equal', value: 'yes', effect: 'NoExecute', tolerationSeconds: 60 }],
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector,
      minDomains: 2,
      nodeAffinityPolicy: 'Honor',
      nodeTaintsPolicy: 'Ignore',
      matchLabelKeys: ['version'],
    },
  ],
  schedulingGates: [{ name: 'example.com/quota' }],
  schedulerName: 'default-scheduler',
  priorityClassName: 'high',
  priority: 1000,
  preemptionPolicy: 'Never',
};

export const podSpecimens: readonly Specimen[] = [
  specimenOf(PodKind, {
    'a pod with everything': {
      metadata: { labels: { app: 'web' } },
      spec: {
        ...scheduling,
        volumes: [{ name: 'scratch', emptyDir: { medium: 'Memory', sizeLimit: '1Gi' } }],
        initContainers: [{ name: 'before', image: 'busybox', restartPolicy: 'Always' }],
        containers: [container, second],
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 10,
        activeDeadlineSeconds: 100,
        dnsPolicy: 'None',
        dnsConfig: {
          nameservers: ['192.0.2.53'],
          searches: ['example.com'],
          options: [{ name: 'ndots', value: '2' }],
        },
        serviceAccountName: 'robot',
        serviceAccount: 'robot',
        automountServiceAccountToken: false,
        shareProcessNamespace: true,
        securityContext: {
          seLinuxOptions: { user: 'u', role: 'r', type: 't', level: 's0' },
          runAsUser: 1000,
          runAsGroup: 1000,
          runAsNonRoot: true,
          supplementalGroups: [2000],
          supplementalGroupsPolicy: 'Strict',
          fsGroup: 3000,
          fsGroupChangePolicy: 'OnRootMismatch',
          seccompProfile: { type: 'RuntimeDefault' },
          appArmorProfile: { type: 'RuntimeDefault' },
          sysctls: [{ name: 'net.core.somaxconn', value: '1024' }],
        },
        imagePullSecrets: [{ name: 'registry' }],
        hostname: 'web',
        subdomain: 'sub',
        hostAliases: [{ ip: '192.0.2.1', hostnames: ['db'] }],
        readinessGates: [{ conditionType: 'example.com/ready' }],
        enableServiceLinks: false,
        setHostnameAsFQDN: true,
        os: { name: 'linux' },
        resources: { limits: { cpu: '3' }, requests: { cpu: '2' } },
      },
    },
    'a pod of the host': {
      spec: { containers: [web], hostNetwork: true, hostPID: true, hostIPC: true, nodeName: 'node-1' },
    },
    'a pod with users of its own': {
      spec: { containers: [web], hostUsers: false, runtimeClassName: 'sandboxed', overhead: { cpu: '1m' } },
    },
    'a pod with volumes': {
      spec: {
        containers: [web],
        serviceAccountName: 'robot',
        volumes: [
          { name: 'host', hostPath: { path: '/srv', type: 'Directory' } },
          { name: 'secret', secret: { secretName: 's', items, defaultMode: 0o600, optional: true } },
          { name: 'map', configMap: { name: 'm', items, defaultMode: 0o600, optional: true } },
          { name: 'self', downwardAPI: { items: downward, defaultMode: 0o600 } },
          { name: 'claim', persistentVolumeClaim: { claimName: 'c', readOnly: true } },
          {
            name: 'all',
            projected: {
              defaultMode: 0o600,
              sources: [
                { secret: { name: 's', items, optional: true } },
                { configMap: { name: 'm', items: [{ key: 'a', path: 'map' }], optional: true } },
                { downwardAPI: { items: downward } },
                { serviceAccountToken: { audience: 'a', expirationSeconds: 3600, path: 'token' } },
              ],
            },
          },
        ],
      },
    },
  }),
];
