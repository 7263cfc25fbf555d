import { describe, expect, it } from 'vitest';
import { PodKind } from '../kinds/pod.ts';
import type { Container, Pod, PodSpec } from '../objects.ts';
import { faultText } from './fault-text.ts';

/** A sound pod, defaulted, with parts of its spec replaced. */
function podWith(spec: Partial<PodSpec> = {}, ...more: Partial<Container>[]): Pod {
  const containers = more.map((part, index) => ({ name: `c${index}`, image: 'busybox', ...part }));
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default' },
    spec: { containers: containers.length > 0 ? containers : [{ name: 'c0', image: 'busybox' }], ...spec },
  };
  PodKind.strategy.defaults!(pod);
  return pod;
}

function faults(pod: Pod): string[] {
  return PodKind.strategy.validate(pod).map(faultText);
}

/** Parts that are wrong on purpose, so types stand back. */
type Wrong = Record<string, unknown>;

describe('a container', () => {
  it.each<[Wrong, string[]]>([
    [{}, []],
    [{ name: '' }, ['spec.containers[0].name: Required value']],
    [{ name: 'a.b' }, ['spec.containers[0].name: Invalid value: "a.b": must not contain dots']],
    [{ image: '' }, ['spec.containers[0].image: Required value']],
    [
      { image: ' x' },
      ['spec.containers[0].image: Invalid value: " x": must not have leading or trailing whitespace'],
    ],
    [
      { imagePullPolicy: 'Sometimes' },
      [
        'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
      ],
    ],
    [
      { terminationMessagePolicy: 'Log' },
      [
        'spec.containers[0].terminationMessagePolicy: Unsupported value: "Log": supported values: "File", "FallbackToLogsOnError"',
      ],
    ],
    [
      { restartPolicy: 'Always' },
      ['spec.containers[0].restartPolicy: Forbidden: may not be set for non-init containers'],
    ],
    [{ ports: [{ containerPort: 0 }] }, ['spec.containers[0].ports[0].containerPort: Required value']],
    [
      { ports: [{ containerPort: 70000, hostPort: 70000 }] },
      [
        'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
        'spec.containers[0].ports[0].hostPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
      ],
    ],
    [
      { ports: [{ containerPort: 1, protocol: 'ICMP' }] },
      [
        'spec.containers[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
      ],
    ],
    [
      {
        ports: [
          { name: 'a', containerPort: 1 },
          { name: 'a', containerPort: 2 },
        ],
      },
      ['spec.containers[0].ports[1].name: Duplicate value: "a"'],
    ],
    [
      {
        ports: [
          { containerPort: 1, hostPort: 80 },
          { containerPort: 2, hostPort: 80 },
        ],
      },
      ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80"'],
    ],
    [{ env: [{ name: '' }] }, ['spec.containers[0].env[0].name: Required value']],
    [
      { env: [{ name: 'A=B' }] },
      [
        'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than \'=\'',
      ],
    ],
    [
      { env: [{ name: 'A', valueFrom: {} }] },
      [
        'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`',
      ],
    ],
    [
      { env: [{ name: 'A', value: 'b', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] },
      [
        'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
      ],
    ],
    [
      {
        env: [
          {
            name: 'A',
            valueFrom: { secretKeyRef: { name: 's' }, configMapKeyRef: { name: 'm', key: 'a/b' } },
          },
        ],
      },
      [
        `spec.containers[0].env[0].valueFrom.configMapKeyRef.key: Invalid value: "a/b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
        'spec.containers[0].env[0].valueFrom.secretKeyRef.key: Required value',
        'spec.containers[0].env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time',
      ],
    ],
    [
      { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'status.phase' } } }] },
      [
        'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
      ],
    ],
    [
      { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.none' } } }] },
      [
        'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.none": error converting fieldPath: field label not supported: spec.none',
      ],
    ],
    [{ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } }] }, []],
    [
      { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.name['app']" } } }] },
      [
        'spec.containers[0].env[0].valueFrom.fieldRef: Invalid value: "metadata.name": does not support subscript',
      ],
    ],
    [
      { env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.disk' } } }] },
      [
        'spec.containers[0].env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.disk": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"',
      ],
    ],
    [
      { env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '2' } } }] },
      [
        `spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource`,
      ],
    ],
    [
      { envFrom: [{}] },
      ['spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
    ],
    [
      { envFrom: [{ configMapRef: {} }] },
      ['spec.containers[0].envFrom[0].configMapRef.name: Required value'],
    ],
    [
      { resources: { requests: { cpu: '1' }, limits: { cpu: '500m' } } },
      [
        'spec.containers[0].resources.requests: Invalid value: "1": must be less than or equal to cpu limit of 500m',
      ],
    ],
    [
      { resources: { limits: { disk: '1' } } },
      [
        'spec.containers[0].resources.limits[disk]: Invalid value: "disk": must be a standard resource for containers',
        'spec.containers[0].resources.requests[disk]: Invalid value: "disk": must be a standard resource for containers',
      ],
    ],
    [
      { resources: { requests: { memory: '-1' } } },
      [
        'spec.containers[0].resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0',
      ],
    ],
    [
      { resources: { requests: { memory: '1 GB' } } },
      [
        'spec.containers[0].resources.requests[memory]: Invalid value: "1 GB": quantities must match the regular expression \'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$\'',
      ],
    ],
    [
      { resources: { requests: { 'example.com/card': '1' } } },
      [
        'spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources',
      ],
    ],
    [
      { resources: { requests: { 'example.com/card': '1' }, limits: { 'example.com/card': '2' } } },
      [
        'spec.containers[0].resources.requests: Invalid value: "1": must be equal to example.com/card limit of 2',
      ],
    ],
    [
      { resources: { limits: { 'example.com/card': '500m' } } },
      [
        'spec.containers[0].resources.limits[example.com/card]: Invalid value: "500m": must be an integer',
        'spec.containers[0].resources.requests[example.com/card]: Invalid value: "500m": must be an integer',
      ],
    ],
    [
      { securityContext: { runAsUser: -1 } },
      [
        'spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive',
      ],
    ],
    [
      { securityContext: { privileged: true, allowPrivilegeEscalation: false } },
      [
        'spec.containers[0].securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
      ],
    ],
    [
      { securityContext: { seccompProfile: { type: 'Localhost' } } },
      [
        'spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost',
      ],
    ],
    [
      { volumeMounts: [{ name: 'gone', mountPath: '' }] },
      [
        'spec.containers[0].volumeMounts[0].name: Not found: "gone"',
        'spec.containers[0].volumeMounts[0].mountPath: Required value',
      ],
    ],
  ])('%j', (part, expected) => {
    expect(faults(podWith({}, part as Partial<Container>))).toEqual(expected);
  });

  it('has a name of its own', () => {
    expect(faults(podWith({}, { name: 'a' }, { name: 'a' }))).toEqual([
      'spec.containers[1].name: Duplicate value: "a"',
    ]);
  });

  it('is needed', () => {
    expect(faults(podWith({ containers: [] }))).toEqual(['spec.containers: Required value']);
  });
});

describe('a probe', () => {
  const at = 'spec.containers[0]';
  it.each<[Wrong, string[]]>([
    [{ livenessProbe: {} }, [`${at}.livenessProbe: Required value: must specify a handler type`]],
    [
      { livenessProbe: { exec: { command: ['a'] }, tcpSocket: { port: 1 } } },
      [`${at}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type`],
    ],
    [{ readinessProbe: { exec: {} } }, [`${at}.readinessProbe.exec.command: Required value`]],
    [
      { readinessProbe: { httpGet: { port: 0, scheme: 'FTP' } } },
      [
        `${at}.readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive`,
        `${at}.readinessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"`,
      ],
    ],
    [
      { livenessProbe: { tcpSocket: { port: 1 }, successThreshold: 2 } },
      [`${at}.livenessProbe.successThreshold: Invalid value: 2: must be 1`],
    ],
    [
      { startupProbe: { grpc: { port: 1 }, periodSeconds: -1 } },
      [`${at}.startupProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0`],
    ],
    [
      { readinessProbe: { tcpSocket: { port: 'a' }, terminationGracePeriodSeconds: 1 } },
      [
        `${at}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes`,
      ],
    ],
    [
      { lifecycle: { preStop: { sleep: { seconds: 31 } } } },
      [
        `${at}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)`,
      ],
    ],
  ])('%j', (part, expected) => {
    expect(faults(podWith({}, part as Partial<Container>))).toEqual(expected);
  });
});

describe('an init container', () => {
  it('shares the names of the app containers and has no probes unless it is a sidecar', () => {
    const probe = { tcpSocket: { port: 1 } };
    const spec = (restartPolicy?: string): Partial<PodSpec> => ({
      initContainers: [{ name: 'c0', image: 'x', livenessProbe: probe, restartPolicy }],
    });
    expect(faults(podWith(spec()))).toEqual([
      'spec.initContainers[0].name: Duplicate value: "c0"',
      'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ]);
    expect(faults(podWith(spec('Always')))).toEqual(['spec.initContainers[0].name: Duplicate value: "c0"']);
    expect(faults(podWith(spec('Never')))[0]).toBe(
      'spec.initContainers[0].restartPolicy: Unsupported value: "Never": supported values: "Always"',
    );
  });
});

describe('an ephemeral container', () => {
  it('is plain, and looks at a container that is there', () => {
    const ephemeralContainers = [
      { name: 'c0', image: 'x', targetContainerName: 'gone', ports: [{ containerPort: 1 }] },
      {
        name: 'debug',
        image: 'x',
        targetContainerName: 'c0',
        volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'a' }],
      },
    ];
    expect(faults(podWith({ ephemeralContainers, volumes: [{ name: 'v' }] }))).toEqual([
      'spec.ephemeralContainers[0].name: Duplicate value: "c0"',
      'spec.ephemeralContainers[0].targetContainerName: Not found: "gone"',
      'spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container',
      'spec.ephemeralContainers[1].volumeMounts[0].subPath: Forbidden: cannot be set for an Ephemeral Container',
    ]);
  });
});

describe('a volume', () => {
  it.each<[Wrong[], string[]]>([
    [[{ name: '' }], ['spec.volumes[0].name: Required value']],
    [[{ name: 'a' }, { name: 'a' }], ['spec.volumes[1].name: Duplicate value: "a"']],
    [
      [{ name: 'a', emptyDir: {}, secret: { secretName: 's' } }],
      ['spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type'],
    ],
    [[{ name: 'a', secret: {} }], ['spec.volumes[0].secret.secretName: Required value']],
    [[{ name: 'a', configMap: {} }], ['spec.volumes[0].configMap.name: Required value']],
    [
      [{ name: 'a', hostPath: { path: '/a/../b', type: 'Pipe' } }],
      [
        'spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain \'..\'',
        'spec.volumes[0].hostPath.type: Unsupported value: "Pipe": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
      ],
    ],
    [
      [{ name: 'a', secret: { secretName: 's', defaultMode: 512 } }],
      [
        'spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive',
      ],
    ],
    [
      [{ name: 'a', configMap: { name: 'm', items: [{ path: '/x' }, { key: 'k', path: '../x' }] } }],
      [
        'spec.volumes[0].configMap.items[0].key: Required value',
        'spec.volumes[0].configMap.items[0].path: Invalid value: "/x": must be a relative path',
        'spec.volumes[0].configMap.items[1].path: Invalid value: "../x": must not contain \'..\'',
      ],
    ],
    [
      [{ name: 'a', persistentVolumeClaim: {} }],
      ['spec.volumes[0].persistentVolumeClaim.claimName: Required value'],
    ],
    [
      [{ name: 'a', projected: { sources: [{ serviceAccountToken: { expirationSeconds: 60 } }] } }],
      [
        'spec.volumes[0].projected.sources[0].serviceAccountToken.path: Required value',
        'spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
      ],
    ],
    [
      [{ name: 'a', downwardAPI: { items: [{ path: 'x' }] } }],
      [
        'spec.volumes[0].downwardAPI.items.fieldRef: Required value: one of fieldRef and resourceFieldRef is required',
      ],
    ],
  ])('%j', (volumes, expected) => {
    expect(faults(podWith({ volumes: volumes as unknown as PodSpec['volumes'] }))).toEqual(expected);
  });

  it('is mounted at one place once, and never outside of itself', () => {
    const volumeMounts = [
      { name: 'a', mountPath: '/x', subPath: '../y' },
      { name: 'a', mountPath: '/x', mountPropagation: 'Bidirectional' },
    ];
    expect(faults(podWith({ volumes: [{ name: 'a' }] }, { volumeMounts }))).toEqual([
      'spec.containers[0].volumeMounts.subPath: Invalid value: "../y": must not contain \'..\'',
      'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
      'spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers',
    ]);
  });
});

describe('a pod', () => {
  const term = { topologyKey: '' };
  it.each<[Wrong, string[]]>([
    [
      { restartPolicy: 'Maybe' },
      ['spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"'],
    ],
    [
      { dnsPolicy: 'Mine' },
      [
        'spec.dnsPolicy: Unsupported value: "Mine": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
      ],
    ],
    [
      { dnsPolicy: 'None' },
      ['spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None'],
    ],
    [
      { dnsConfig: { nameservers: ['1.1.1.1', '1.1.1.2', '1.1.1.3', 'x'] } },
      [
        'spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","1.1.1.2","1.1.1.3","x"]: must not have more than 3 nameservers',
        'spec.dnsConfig.nameservers[3]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      ],
    ],
    [
      { activeDeadlineSeconds: 0 },
      ['spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive'],
    ],
    [{ hostname: 'a.b' }, ['spec.hostname: Invalid value: "a.b": must not contain dots']],
    [
      { hostAliases: [{ ip: 'x' }] },
      [
        'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      ],
    ],
    [
      { hostPID: true, shareProcessNamespace: true },
      [
        'spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled',
      ],
    ],
    [
      { tolerations: [{ key: 'a', operator: 'Near' }] },
      ['spec.tolerations[0].operator: Unsupported value: "Near": supported values: "Equal", "Exists"'],
    ],
    [
      { tolerations: [{ value: 'a' }] },
      [
        'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"',
      ],
    ],
    [
      {
        tolerations: [
          { key: 'a', operator: 'Exists', value: 'b', effect: 'NoSchedule', tolerationSeconds: 1 },
        ],
      },
      [
        'spec.tolerations[0].effect: Invalid value: "NoSchedule": effect must be \'NoExecute\' when `tolerationSeconds` is set',
        'spec.tolerations[0].operator: Invalid value: "b": value must be empty when `operator` is \'Exists\'',
      ],
    ],
    [
      { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: {} } } },
      [
        'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
      ],
    ],
    [
      {
        affinity: {
          podAntiAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 0, podAffinityTerm: term }],
          },
        },
      },
      [
        'spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100',
        'spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Required value: can not be empty',
        'spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Invalid value: "": name part must be non-empty',
        "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ],
    ],
    [
      { topologySpreadConstraints: [{ maxSkew: 0, topologyKey: 'zone', whenUnsatisfiable: 'Cry' }] },
      [
        'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
        'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Cry": supported values: "DoNotSchedule", "ScheduleAnyway"',
      ],
    ],
    [{ schedulingGates: [{ name: 'a' }, { name: 'a' }] }, ['spec.schedulingGates[1]: Duplicate value: "a"']],
  ])('%j', (spec, expected) => {
    expect(faults(podWith(spec as Partial<PodSpec>))).toEqual(expected);
  });

  it('on the host network has its container ports as host ports', () => {
    const pod = podWith({ hostNetwork: true }, { ports: [{ containerPort: 80 }] });
    expect(pod.spec!.containers[0]!.ports![0]!.hostPort).toBe(80);
    pod.spec!.containers[0]!.ports![0]!.hostPort = 81;
    expect(faults(pod)).toEqual([
      'spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true',
    ]);
  });
});

describe('a change of a pod', () => {
  function change(edit: (spec: PodSpec) => void, before: Partial<PodSpec> = {}): string[] {
    const old = podWith(before);
    const pod = structuredClone(old);
    edit(pod.spec!);
    return PodKind.strategy.validateUpdate!(pod, old).map(faultText);
  }

  it('may be of images, of the deadline downwards, and of more tolerations', () => {
    expect(
      change(
        (spec) => {
          spec.containers[0]!.image = 'other';
          spec.activeDeadlineSeconds = 5;
          spec.tolerations!.push({ operator: 'Exists' });
        },
        { activeDeadlineSeconds: 10, tolerations: [{ key: 'a', operator: 'Exists' }] },
      ),
    ).toEqual([]);
  });

  it('may be of nothing else', () => {
    const [fault] = change((spec) => {
      spec.hostname = 'other';
      spec.containers[0]!.command = ['sh'];
    });
    expect(fault).toMatch(
      /^spec: Forbidden: pod updates may not change fields other than `spec.containers\[\*\].image`,.*\nchanged: spec.containers, spec.hostname$/s,
    );
  });

  it.each<[string, (spec: PodSpec) => void, string]>([
    [
      'containers',
      (spec) => spec.containers.push({ name: 'b', image: 'x' }),
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ],
    [
      'a later deadline',
      (spec) => {
        spec.activeDeadlineSeconds = 11;
      },
      'spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value',
    ],
    [
      'no deadline',
      (spec) => {
        delete spec.activeDeadlineSeconds;
      },
      'spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value',
    ],
    [
      'fewer tolerations',
      (spec) => {
        spec.tolerations = [];
      },
      'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
    ],
    [
      'new gates',
      (spec) => {
        spec.schedulingGates = [{ name: 'new' }];
      },
      "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'new'",
    ],
  ])('cannot be of %s', (_what, edit, fault) => {
    expect(
      change(edit, { activeDeadlineSeconds: 10, tolerations: [{ key: 'a', operator: 'Exists' }] }),
    ).toEqual([fault]);
  });
});

it('a status has addresses that are addresses', () => {
  const pod = podWith();
  pod.status = { podIPs: [{ ip: 'x' }], hostIPs: [{ ip: '10.0.0.1' }, { ip: 'y' }] };
  expect(PodKind.strategy.validateStatus!(pod, podWith()).map(faultText)).toEqual([
    'status.podIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    'status.hostIPs[1]: Invalid value: "y": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
  ]);
});
