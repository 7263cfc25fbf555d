import { describe, expect, it } from 'vitest';
import { LABEL, QUALIFIED } from '../testing/name-texts.ts';
import { podRefusals, type Wrong } from '../testing/pods.ts';

const at = 'spec.containers[0]';

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
    [
      { resources: { requests: { cpu: '1' }, limits: { cpu: '500m' } } },
      [
        'spec.containers[0].resources.requests: Invalid value: "1": must be less than or equal to cpu limit of 500m',
      ],
    ],
    [
      { resources: { limits: { disk: '1' } } },
      [
        'spec.containers[0].resources.limits[disk]: Invalid value: "disk": must be a standard resource type or fully qualified',
        'spec.containers[0].resources.limits[disk]: Invalid value: "disk": must be a standard resource for containers',
        'spec.containers[0].resources.requests[disk]: Invalid value: "disk": must be a standard resource type or fully qualified',
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
      {
        resizePolicy: [
          { resourceName: 'cpu', restartPolicy: 'NotRequired' },
          { resourceName: 'cpu', restartPolicy: 'Sometimes' },
          { resourceName: 'disk' },
        ],
      },
      [
        `${at}.resizePolicy[1]: Duplicate value: "cpu"`,
        `${at}.resizePolicy: Unsupported value: "Sometimes": supported values: "NotRequired", "RestartContainer"`,
        `${at}.resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"`,
        `${at}.resizePolicy: Required value`,
      ],
    ],
    [
      {
        ports: [
          { name: '-8-', containerPort: 1 },
          { name: 'abcdefghijklmnop', containerPort: 2 },
        ],
      },
      [
        `${at}.ports[0].name: Invalid value: "-8-": must contain at least one letter (a-z)`,
        `${at}.ports[0].name: Invalid value: "-8-": must not begin or end with a hyphen`,
        `${at}.ports[1].name: Invalid value: "abcdefghijklmnop": must be no more than 15 characters`,
      ],
    ],
    [
      { resources: { limits: { 'a b': '1' } } },
      [
        `${at}.resources.limits[a b]: Invalid value: "a b": name part ${QUALIFIED}`,
        `${at}.resources.limits[a b]: Invalid value: "a b": must be a standard resource for containers`,
        `${at}.resources.requests[a b]: Invalid value: "a b": name part ${QUALIFIED}`,
        `${at}.resources.requests[a b]: Invalid value: "a b": must be a standard resource for containers`,
      ],
    ],
    [
      { resources: { limits: { 'hugepages-2Mi': '3Mi', 'hugepages-big': '1' } } },
      [
        `${at}.resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi`,
        `${at}.resources.limits[hugepages-big]: Invalid value: "1": 1 is not positive integer multiple of hugepages-big`,
        `${at}.resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi`,
        `${at}.resources.requests[hugepages-big]: Invalid value: "1": 1 is not positive integer multiple of hugepages-big`,
        `${at}.resources: Forbidden: HugePages require cpu or memory`,
      ],
    ],
    [{ resources: { limits: { 'hugepages-2Mi': '4Mi', cpu: '1' } } }, []],
  ])('%j', (part, expected) => {
    expect(podRefusals({}, part)).toEqual(expected);
  });

  it('has a name of its own', () => {
    expect(podRefusals({}, { name: 'a' }, { name: 'a' })).toEqual([
      'spec.containers[1].name: Duplicate value: "a"',
    ]);
  });

  it('is not resized by a restart in a pod that restarts nothing', () => {
    const resizePolicy = [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }];
    expect(podRefusals({ restartPolicy: 'Never' }, { resizePolicy })).toEqual([
      "spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when `restartPolicy` is 'Never'",
    ]);
  });

  it('has a host port that no other has', () => {
    const ports = [{ containerPort: 80, hostPort: 80 }];
    const twice = [...ports, { containerPort: 81, hostPort: 80 }];
    expect(podRefusals({}, { ports }, { ports }, { name: 'A' })).toEqual([
      `spec.containers[2].name: Invalid value: "A": ${LABEL}`,
      'spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//80"',
    ]);
    // Kubernetes counts init containers one by one, all from zero.
    const initContainers = [
      { name: 'a', image: 'x', ports },
      { name: 'b', image: 'x', ports: twice },
    ];
    expect(podRefusals({ initContainers })).toEqual([
      'spec.initContainers[0].ports[1].hostPort: Duplicate value: "TCP//80"',
    ]);
  });

  it('is needed', () => {
    expect(podRefusals({ containers: [] })).toEqual(['spec.containers: Required value']);
  });
});

describe('an init container', () => {
  it('shares the names of the app containers and has no probes unless it is a sidecar', () => {
    const probe = { tcpSocket: { port: 1 } };
    const spec = (restartPolicy?: string): Wrong => ({
      initContainers: [{ name: 'c0', image: 'x', livenessProbe: probe, restartPolicy }],
    });
    expect(podRefusals(spec())).toEqual([
      'spec.initContainers[0].name: Duplicate value: "c0"',
      'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ]);
    expect(podRefusals(spec('Always'))).toEqual(['spec.initContainers[0].name: Duplicate value: "c0"']);
    expect(podRefusals(spec('Never'))[0]).toBe(
      'spec.initContainers[0].restartPolicy: Unsupported value: "Never": supported values: "Always"',
    );
  });
});

describe('an ephemeral container', () => {
  it('is plain, and looks at a container that is there', () => {
    const ephemeralContainers = [
      { name: 'c0', image: 'x ', targetContainerName: 'gone', ports: [{ containerPort: 1 }] },
      {
        name: 'debug',
        image: 'x',
        targetContainerName: 'c0',
        volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'a' }],
      },
    ];
    expect(podRefusals({ ephemeralContainers, volumes: [{ name: 'v' }] })).toEqual([
      'spec.ephemeralContainers[0].image: Invalid value: "x ": must not have leading or trailing whitespace',
      'spec.ephemeralContainers[0].name: Duplicate value: "c0"',
      'spec.ephemeralContainers[0].targetContainerName: Not found: "gone"',
      'spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container',
      'spec.ephemeralContainers[1].volumeMounts[0].subPath: Forbidden: cannot be set for an Ephemeral Container',
    ]);
  });
});
