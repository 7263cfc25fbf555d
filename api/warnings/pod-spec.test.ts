import { describe, expect, it } from 'vitest';
import { PodKind } from '../kinds/pod.ts';
import { PodTemplateKind } from '../kinds/pod-template.ts';
import { warningsOf } from '../testing/objects.ts';

const container = { name: 'c', image: 'i' };
const spec = (parts: object) => ({ spec: { containers: [container], ...parts } });
const withContainer = (parts: object) => spec({ containers: [{ ...container, ...parts }] });
const annotated = (annotations: Record<string, string>, parts: object = {}) => ({
  metadata: { annotations },
  ...spec(parts),
});
const NULL_SELECTOR = 'a null labelSelector results in matching no pod';
const AFFINITY = 'spec.affinity';

describe('a pod', () => {
  it.each<[string, object, string[]]>([
    ['without a flaw', spec({}), []],
    [
      'whose name is no label',
      { metadata: { name: 'a.b' }, ...spec({}) },
      [
        "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
      ],
    ],
    [
      'on nodes by labels of old',
      spec({ nodeSelector: { 'beta.kubernetes.io/os': 'linux', 'kubernetes.io/os': 'linux' } }),
      ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'],
    ],
    [
      'with affinity to labels of old',
      spec({
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                {
                  matchExpressions: [
                    { key: 'failure-domain.beta.kubernetes.io/zone', operator: 'In', values: ['-1'] },
                  ],
                },
              ],
            },
            preferredDuringSchedulingIgnoredDuringExecution: [
              {
                weight: 1,
                preference: {
                  matchExpressions: [{ key: 'node-role.kubernetes.io/master', operator: 'Exists' }],
                },
              },
            ],
          },
        },
      }),
      [
        `${AFFINITY}.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use "topology.kubernetes.io/zone" instead`,
        `${AFFINITY}.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values[0]: -1 is invalid, a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
        `${AFFINITY}.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key: node-role.kubernetes.io/master is use "node-role.kubernetes.io/control-plane" instead`,
      ],
    ],
    [
      'spread over nothing',
      spec({
        topologySpreadConstraints: [
          { maxSkew: 1, topologyKey: 'beta.kubernetes.io/arch', whenUnsatisfiable: 'DoNotSchedule' },
        ],
      }),
      [
        'spec.topologySpreadConstraints[0].topologyKey: beta.kubernetes.io/arch is deprecated since v1.14; use "kubernetes.io/arch" instead',
        `spec.topologySpreadConstraints[0].labelSelector: ${NULL_SELECTOR}`,
      ],
    ],
    [
      'near to nothing',
      spec({
        affinity: {
          podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'k' }] },
          podAntiAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 1, podAffinityTerm: { topologyKey: 'k' } },
              { weight: 1, podAffinityTerm: { topologyKey: 'k', labelSelector: {} } },
            ],
          },
        },
      }),
      [
        `${AFFINITY}.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: ${NULL_SELECTOR}`,
        `${AFFINITY}.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.labelSelector: ${NULL_SELECTOR}`,
      ],
    ],
    [
      'with annotations of old',
      annotated({
        'scheduler.alpha.kubernetes.io/critical-pod': '',
        'security.alpha.kubernetes.io/sysctls': 'a=b',
        'security.alpha.kubernetes.io/unsafe-sysctls': 'a=b',
      }),
      [
        'metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the "priorityClassName" field instead',
        'metadata.annotations[security.alpha.kubernetes.io/sysctls]: non-functional in v1.11+; use the "sysctls" field instead',
        'metadata.annotations[security.alpha.kubernetes.io/unsafe-sysctls]: non-functional in v1.11+; use the "sysctls" field instead',
      ],
    ],
    [
      'with seccomp profiles as annotations',
      annotated({
        'seccomp.security.alpha.kubernetes.io/pod': 'x',
        'container.seccomp.security.alpha.kubernetes.io/c': 'x',
        'container.seccomp.security.alpha.kubernetes.io/other': 'x',
      }),
      [
        'metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the "seccompProfile" field instead',
        'metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]: non-functional in v1.27+; use the "seccompProfile" field instead',
      ],
    ],
    [
      'with seccomp profiles in both places',
      annotated(
        { 'seccomp.security.alpha.kubernetes.io/pod': 'x' },
        { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } },
      ),
      [],
    ],
    [
      'with volumes whose plugins are gone',
      spec({
        volumes: [
          { name: 'a', gitRepo: { repository: 'r' } },
          { name: 'b', photonPersistentDisk: { pdID: 'p' } },
          { name: 'c', scaleIO: {} },
          { name: 'd', flocker: {} },
          { name: 'e', storageos: {} },
          { name: 'f', quobyte: {} },
          { name: 'g', glusterfs: {} },
          { name: 'h', cephfs: {} },
          { name: 'i', rbd: {} },
        ],
      }),
      [
        'spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+',
        'spec.volumes[1].photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+',
        'spec.volumes[2].scaleIO: deprecated in v1.16, non-functional in v1.22+',
        'spec.volumes[3].flocker: deprecated in v1.22, non-functional in v1.25+',
        'spec.volumes[4].storageOS: deprecated in v1.22, non-functional in v1.25+',
        'spec.volumes[5].quobyte: deprecated in v1.22, non-functional in v1.25+',
        'spec.volumes[6].glusterfs: deprecated in v1.25, non-functional in v1.26+',
        'spec.volumes[7].cephfs: deprecated in v1.28, non-functional in v1.31+',
        'spec.volumes[8].rbd: deprecated in v1.28, non-functional in v1.31+',
      ],
    ],
    [
      'with a claim for a part of a byte',
      spec({
        volumes: [
          {
            name: 'v',
            ephemeral: {
              volumeClaimTemplate: { spec: { resources: { requests: { storage: '100m' } } } },
            },
          },
        ],
      }),
      [
        'spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources.requests[storage]: fractional byte value "100m" is invalid, must be an integer',
      ],
    ],
    [
      'with files that hide each other',
      spec({
        volumes: [
          {
            name: 'v',
            configMap: {
              name: 'm',
              items: [
                { key: 'a', path: 'p/' },
                { key: 'b', path: 'p/q' },
              ],
            },
          },
          {
            name: 's',
            secret: {
              secretName: 'n',
              items: [
                { key: 'a', path: 'x' },
                { key: 'b', path: 'x' },
              ],
            },
          },
          {
            name: 'd',
            downwardAPI: {
              items: ['n', 'n'].map((path) => ({ path, fieldRef: { fieldPath: 'metadata.name' } })),
            },
          },
        ],
      }),
      [
        'volume "v" (ConfigMap "m"): overlapping paths: "p/q" with "p"',
        'volume "s" (Secret "n"): overlapping paths: "x" with "x"',
        'volume "d" (DownwardAPI): overlapping paths: "n" with "n"',
      ],
    ],
    [
      'with sources that hide each other',
      spec({
        volumes: [
          {
            name: 'v',
            projected: {
              sources: [
                { serviceAccountToken: { path: 'token' } },
                { configMap: { name: 'm', items: [{ key: 'a', path: 'token' }] } },
                { secret: { name: 's', items: [{ key: 'a', path: 'b' }] } },
                { downwardAPI: { items: [{ path: 'b', fieldRef: { fieldPath: 'metadata.name' } }] } },
                { clusterTrustBundle: { name: 't', path: 'token' } },
                {},
              ],
            },
          },
        ],
      }),
      [
        'volume "v" (Projected ConfigMap "m"): overlapping paths: "token" with "token"',
        'volume "v" (Projected DownwardAPI): overlapping paths: "b" with "b"',
        'volume "v" (Projected ClusterTrustBundle "t"): overlapping paths: "token" with "token"',
        'volume "v" (Projected) has no sources provided',
      ],
    ],
    [
      'with lists that repeat themselves',
      spec({
        hostAliases: [{ ip: '10.0.0.1' }, { ip: '10.0.0.1' }],
        imagePullSecrets: [{ name: 'a' }, { name: 'a' }, { name: '' }],
      }),
      [
        'spec.hostAliases[1].ip: duplicate ip "10.0.0.1"',
        'spec.imagePullSecrets[1].name: duplicate name "a"',
        'spec.imagePullSecrets[2].name: invalid empty name ""',
      ],
    ],
    [
      'with parts of bytes',
      {
        spec: {
          overhead: { memory: '1500m' },
          containers: [
            {
              ...container,
              resources: {
                limits: { memory: '200m', 'ephemeral-storage': '1m' },
                requests: { memory: '1Mi' },
              },
            },
          ],
        },
      },
      [
        'spec.overhead[memory]: fractional byte value "1500m" is invalid, must be an integer',
        'spec.containers[0].resources.limits[memory]: fractional byte value "200m" is invalid, must be an integer',
        'spec.containers[0].resources.limits[ephemeral-storage]: fractional byte value "1m" is invalid, must be an integer',
        'spec.containers[0].resources.requests[ephemeral-storage]: fractional byte value "1m" is invalid, must be an integer',
      ],
    ],
    [
      'whose variables hide each other',
      withContainer({
        env: [
          { name: 'A', value: 'a' },
          { name: 'A', value: '$(A)b' },
          { name: 'A', value: '$(A)' },
          { name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          { name: 'B', value: 'b' },
        ],
      }),
      [2, 3].map(
        (index) =>
          `spec.containers[0].env[${index}]: hides previous definition of "A", which may be dropped when using apply`,
      ),
    ],
    [
      'that ends before it is told to',
      spec({ terminationGracePeriodSeconds: -1 }),
      [
        'spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1',
      ],
    ],
  ])('%s', (_name, parts, warnings) => {
    expect(warningsOf(PodKind, parts as Record<string, unknown>)).toEqual(warnings);
  });

  it('has nothing said of it when it changes', () => {
    const parts = spec({ terminationGracePeriodSeconds: -1 });
    expect(warningsOf(PodKind, parts, spec({}))).toEqual([]);
  });
});

describe('ports', () => {
  const ports = (...list: object[]) => warningsOf(PodKind, withContainer({ ports: list }));
  const web = { containerPort: 80 };

  it.each<[object[], string[]]>([
    [[web, { containerPort: 81 }, { ...web, protocol: 'UDP' }], []],
    [[web, web], ['spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]']],
    [
      [{ ...web, hostPort: 8080 }, web],
      ['spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]'],
    ],
    [
      [
        { ...web, hostPort: 8080 },
        { ...web, hostPort: 8080, hostIP: '10.0.0.1' },
      ],
      ['spec.containers[0].ports[1]: dangerously ambiguous port definition with spec.containers[0].ports[0]'],
    ],
    [
      [
        { ...web, hostPort: 8080, hostIP: '10.0.0.2' },
        { ...web, hostPort: 8080, hostIP: '10.0.0.1' },
      ],
      [],
    ],
    [
      [{ ...web, name: 'n', hostIP: '10.0.0.1' }],
      [
        'spec.containers[0].ports[0]: hostIP set without hostPort: {Name:n HostPort:0 ContainerPort:80 Protocol:TCP HostIP:10.0.0.1}',
      ],
    ],
  ])('%j', (list, warnings) => {
    expect(ports(...list)).toEqual(warnings);
  });
});

describe('a pod template', () => {
  it('has its place in what is said of it, and what is said of AppArmor', () => {
    const key = 'container.apparmor.security.beta.kubernetes.io/c';
    const template = {
      metadata: { annotations: { [key]: 'unconfined' } },
      ...spec({ hostAliases: [{ ip: 'a' }, { ip: 'a' }] }),
    };
    expect(warningsOf(PodTemplateKind, { template })).toEqual([
      'template.spec.hostAliases[1].ip: duplicate ip "a"',
      `template.metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`,
    ]);
    const profile = { securityContext: { appArmorProfile: { type: 'Unconfined' } } };
    const told = { metadata: template.metadata, ...spec(profile) };
    expect(warningsOf(PodTemplateKind, { template: told })).toEqual([]);
    const inContainer = { metadata: template.metadata, ...withContainer(profile) };
    expect(warningsOf(PodTemplateKind, { template: inContainer })).toEqual([]);
  });
});
