import { describe, expect, it } from 'vitest';
import { PodKind } from '../kinds/pod.ts';
import { LABEL, LABEL_VALUE, QUALIFIED, SEARCH, SUBDOMAIN } from '../testing/name-texts.ts';
import { podRefusals, podWith, type Wrong } from '../testing/pods.ts';
import { faultText } from './fault-text.ts';

describe('a pod', () => {
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
    [{ schedulingGates: [{ name: 'a' }, { name: 'a' }] }, ['spec.schedulingGates[1]: Duplicate value: "a"']],
    [
      { dnsPolicy: 'None', dnsConfig: {} },
      [
        'spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None',
      ],
    ],
    [
      { dnsConfig: { searches: ['.', '_tcp.a_b.', '-'], options: [{ value: '2' }] } },
      [
        `spec.dnsConfig.searches[2]: Invalid value: "-": ${SEARCH}`,
        'spec.dnsConfig.options[0]: Required value: must not be empty',
      ],
    ],
    [{ subdomain: 'A' }, [`spec.subdomain: Invalid value: "A": ${LABEL}`]],
    [
      { serviceAccountName: 'A', nodeName: 'B', priorityClassName: 'C', runtimeClassName: 'D' },
      [
        `spec.serviceAccountName: Invalid value: "A": ${SUBDOMAIN}`,
        `spec.nodeName: Invalid value: "B": ${SUBDOMAIN}`,
        `spec.priorityClassName: Invalid value: "C": ${SUBDOMAIN}`,
        `spec.runtimeClassName: Invalid value: "D": ${SUBDOMAIN}`,
      ],
    ],
    [
      { hostAliases: [{ ip: '::1', hostnames: ['a', 'A'] }] },
      [`spec.hostAliases[0].hostnames[1]: Invalid value: "A": ${SUBDOMAIN}`],
    ],
    [
      { readinessGates: [{}] },
      [
        'spec.readinessGates[0].conditionType: Invalid value: "": name part must be non-empty',
        `spec.readinessGates[0].conditionType: Invalid value: "": name part ${QUALIFIED}`,
      ],
    ],
    [
      { schedulingGates: [{ name: '-' }] },
      [`spec.schedulingGates[0]: Invalid value: "-": name part ${QUALIFIED}`],
    ],
    [
      { schedulingGates: [{ name: 'a' }], nodeName: 'node-1' },
      ['spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared'],
    ],
    [
      { preemptionPolicy: 'Maybe' },
      [
        'spec.preemptionPolicy: Unsupported value: "Maybe": supported values: "PreemptLowerPriority", "Never"',
      ],
    ],
    [
      { overhead: { disk: '-1' } },
      [
        'spec.overhead.limits[disk]: Invalid value: "disk": must be a standard resource type or fully qualified',
        'spec.overhead.limits[disk]: Invalid value: "disk": must be a standard resource for containers',
        'spec.overhead.limits[disk]: Invalid value: "-1": must be greater than or equal to 0',
      ],
    ],
    [{ os: {} }, ['spec.os.name: Required value: cannot be empty']],
    [
      { os: { name: 'plan9' } },
      ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"'],
    ],
    [
      { nodeSelector: { '-': '-' } },
      [
        `spec.nodeSelector: Invalid value: "-": name part ${QUALIFIED}`,
        `spec.nodeSelector: Invalid value: "-": ${LABEL_VALUE}`,
      ],
    ],
    [
      {
        resources: {
          limits: { 'ephemeral-storage': '1', disk: '1' },
          requests: { cpu: '1' },
          claims: [{ name: 'c' }],
        },
      },
      [
        'spec.resources.claims: Forbidden: claims cannot be set for Resources at pod-level',
        'spec.resources.limits[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: "cpu", "memory"',
        'spec.resources.limits[disk]: Invalid value: "disk": must be a standard resource type or fully qualified',
      ],
    ],
  ])('%j', (spec, expected) => {
    expect(podRefusals(spec)).toEqual(expected);
  });

  it('searches in so many domains', () => {
    const many = Array.from({ length: 33 }, () => 'a'.repeat(63));
    const [first, second, ...others] = podRefusals({ dnsConfig: { searches: many } });
    expect(first).toMatch(
      /^spec.dnsConfig.searches: Invalid value: .*: must not have more than 32 search paths$/,
    );
    expect(second).toMatch(
      /: must not have more than 2048 characters \(including spaces\) in the search list$/,
    );
    expect(others).toEqual([]);
  });

  it('on the host network has its container ports as host ports', () => {
    const pod = podWith({ hostNetwork: true }, { ports: [{ containerPort: 80 }] });
    expect(pod.spec!.containers[0]!.ports![0]!.hostPort).toBe(80);
    pod.spec!.containers[0]!.ports![0]!.hostPort = 81;
    expect(PodKind.strategy.validate(pod).map(faultText)).toEqual([
      'spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true',
    ]);
  });
});
