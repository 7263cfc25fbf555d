import { describe, expect, it } from 'vitest';
import { podRefusals, type Wrong } from '../testing/pods.ts';

const container = 'spec.containers[0].securityContext';
const pod = 'spec.securityContext';
const ID = 'must be between 0 and 2147483647, inclusive';

describe('a container', () => {
  it.each<[Wrong, string[]]>([
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
      { securityContext: { runAsGroup: 2 ** 31 } },
      [`${container}.runAsGroup: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive`],
    ],
    [
      { securityContext: { procMount: 'Masked' } },
      [`${container}.procMount: Unsupported value: "Masked": supported values: "Default", "Unmasked"`],
    ],
    [
      { securityContext: { procMount: 'Unmasked' } },
      [`${container}.procMount: Invalid value: "Unmasked": \`hostUsers\` must be false to use \`Unmasked\``],
    ],
    [
      { securityContext: { allowPrivilegeEscalation: false, capabilities: { add: ['CAP_SYS_ADMIN'] } } },
      [
        `${container}: Invalid value: {"allowPrivilegeEscalation":false,"capabilities":{"add":["CAP_SYS_ADMIN"]}}: cannot set \`allowPrivilegeEscalation\` to false and \`capabilities.Add\` CAP_SYS_ADMIN`,
      ],
    ],
    [
      { securityContext: { seccompProfile: {} } },
      [`${container}.seccompProfile.type: Required value: type is required when seccompProfile is set`],
    ],
    [
      { securityContext: { seccompProfile: { type: 'Own', localhostProfile: 'a' } } },
      [
        `${container}.seccompProfile.type: Unsupported value: "Own": supported values: "Localhost", "RuntimeDefault", "Unconfined"`,
        `${container}.seccompProfile.localhostProfile: Invalid value: {"type":"Own","localhostProfile":"a"}: can only be set when seccomp type is Localhost`,
      ],
    ],
    [
      { securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: '/../a' } } },
      [
        `${container}.seccompProfile.localhostProfile: Invalid value: "/../a": must be a relative path`,
        `${container}.seccompProfile.localhostProfile: Invalid value: "/../a": must not contain '..'`,
      ],
    ],
    [
      { securityContext: { appArmorProfile: {} } },
      [`${container}.appArmorProfile.type: Required value: type is required when appArmorProfile is set`],
    ],
    [
      { securityContext: { appArmorProfile: { type: 'Own' } } },
      [
        `${container}.appArmorProfile.type: Unsupported value: "Own": supported values: "Localhost", "RuntimeDefault", "Unconfined"`,
      ],
    ],
    [
      { securityContext: { appArmorProfile: { type: 'Unconfined', localhostProfile: 'a' } } },
      [
        `${container}.appArmorProfile.localhostProfile: Invalid value: "a": can only be set when AppArmor type is Localhost`,
      ],
    ],
    [
      { securityContext: { appArmorProfile: { type: 'Localhost' } } },
      [
        `${container}.appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost`,
      ],
    ],
    [
      { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: ' a' } } },
      [
        `${container}.appArmorProfile.localhostProfile: Invalid value: " a": must not be padded with whitespace`,
      ],
    ],
    [
      { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: 'a'.repeat(4096) } } },
      [`${container}.appArmorProfile.localhostProfile: Too long: may not be more than 4095 bytes`],
    ],
  ])('%j', (part, expected) => {
    expect(podRefusals({}, part)).toEqual(expected);
  });
});

describe('a pod', () => {
  const sysctls = (...names: string[]): Wrong => ({
    securityContext: { sysctls: names.map((name) => ({ name, value: '1' })) },
  });
  it.each<[Wrong, string[]]>([
    [
      { securityContext: { fsGroup: -1, runAsUser: -2, runAsGroup: -3, supplementalGroups: [0, -4] } },
      [
        `${pod}.fsGroup: Invalid value: -1: ${ID}`,
        `${pod}.runAsUser: Invalid value: -2: ${ID}`,
        `${pod}.runAsGroup: Invalid value: -3: ${ID}`,
        `${pod}.supplementalGroups[1]: Invalid value: -4: ${ID}`,
      ],
    ],
    [
      {
        securityContext: {
          fsGroupChangePolicy: 'Never',
          supplementalGroupsPolicy: 'Split',
          seLinuxChangePolicy: 'Relabel',
        },
      },
      [
        `${pod}.fsGroupChangePolicy: Unsupported value: "Never": supported values: "Always", "OnRootMismatch"`,
        `${pod}.supplementalGroupsPolicy: Unsupported value: "Split": supported values: "Merge", "Strict"`,
        `${pod}.seLinuxChangePolicy: Unsupported value: "Relabel": supported values: "MountOption", "Recursive"`,
      ],
    ],
    [
      sysctls('', 'net.core.somaxconn', 'Net', 'net.core.somaxconn'),
      [
        `${pod}.sysctls[0].name: Required value`,
        `${pod}.sysctls[2].name: Invalid value: "Net": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`,
        `${pod}.sysctls[3].name: Duplicate value: "net.core.somaxconn"`,
      ],
    ],
    [
      { hostNetwork: true, ...sysctls('net/core/somaxconn', 'kernel.sem') },
      [
        `${pod}.sysctls[0].name: Invalid value: "net/core/somaxconn": may not be specified when 'hostNetwork' is true`,
      ],
    ],
    [
      {
        hostIPC: true,
        ...sysctls('net.core.somaxconn', 'kernel.sem', 'fs.mqueue.msg_max', 'kernel.semantics'),
      },
      [
        `${pod}.sysctls[1].name: Invalid value: "kernel.sem": may not be specified when 'hostIPC' is true`,
        `${pod}.sysctls[2].name: Invalid value: "fs.mqueue.msg_max": may not be specified when 'hostIPC' is true`,
      ],
    ],
    [
      { hostUsers: false, hostNetwork: true, hostPID: true, hostIPC: true },
      [
        'spec.hostNetwork: Forbidden: when `pod.Spec.HostUsers` is false',
        'spec.HostPID: Forbidden: when `pod.Spec.HostUsers` is false',
        'spec.HostIPC: Forbidden: when `pod.Spec.HostUsers` is false',
      ],
    ],
  ])('%j', (spec, expected) => {
    expect(podRefusals(spec)).toEqual(expected);
  });
});
