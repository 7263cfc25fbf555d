import { describe, expect, test } from 'vitest';
import type { Container, PodSpec } from '#api/objects.ts';
import { unenforceableLabel } from './labels.ts';
import { containerSecurity, type SecurityProfiles } from './security.ts';

type Context = NonNullable<Container['securityContext']>;
type Profile = NonNullable<Context['appArmorProfile']>;

const RUNTIME_DEFAULT: Profile = { type: 'RuntimeDefault' };
const LOCALHOST: Profile = { type: 'Localhost', localhostProfile: 'web' };
const UNCONFINED: Profile = { type: 'Unconfined' };

const node = (change: Partial<SecurityProfiles> = {}): SecurityProfiles => ({
  ...{ defaultCapabilities: [], allCapabilities: [], maskedPaths: [], readOnlyPaths: [] },
  ...{ seccomp: () => undefined, seccompProfile: () => undefined },
  ...change,
});
const LOADED = node({ appArmor: { defaultProfile: 'gantry-default' } });
const NO_PARSER = node({ appArmor: { why: 'apparmor_parser is not installed' } });

const spec = (ofPod?: Profile, own?: Context): PodSpec => ({
  ...(ofPod && { securityContext: { appArmorProfile: ofPod } }),
  containers: [{ name: 'main', ...(own && { securityContext: own }) }],
});

describe('AppArmor', () => {
  test.each<[string, SecurityProfiles, PodSpec, string | undefined]>([
    ['nothing asked', LOADED, spec(), 'gantry-default'],
    ['nothing asked, no default', NO_PARSER, spec(), undefined],
    ['nothing asked, no AppArmor', node(), spec(), undefined],
    ['the default', LOADED, spec(RUNTIME_DEFAULT), 'gantry-default'],
    ['a profile', NO_PARSER, spec(LOCALHOST), 'web'],
    ['none', LOADED, spec(UNCONFINED), undefined],
    ['none, no AppArmor', node(), spec(UNCONFINED), undefined],
    ['another than the pod', LOADED, spec(LOCALHOST, { appArmorProfile: RUNTIME_DEFAULT }), 'gantry-default'],
    ['none, unlike the pod', LOADED, spec(LOCALHOST, { appArmorProfile: UNCONFINED }), undefined],
    ['privileged', LOADED, spec(LOCALHOST, { privileged: true }), undefined],
  ])('%s', (_, profiles, pod, expected) => {
    expect(unenforceableLabel(pod, profiles)).toBeUndefined();
    expect(containerSecurity(pod, pod.containers[0]!, profiles).appArmorProfile).toBe(expected);
  });

  const DISABLED = 'AppArmor is not enabled on the host';
  test.each<[string, SecurityProfiles, PodSpec, string]>([
    ['the default', node(), spec(RUNTIME_DEFAULT), DISABLED],
    ['a profile of the pod', node(), spec(LOCALHOST), DISABLED],
    ['a profile of a container', node(), spec(UNCONFINED, { appArmorProfile: LOCALHOST }), DISABLED],
    [
      'the default that could not be loaded',
      NO_PARSER,
      spec(RUNTIME_DEFAULT),
      'the default profile could not be loaded: apparmor_parser is not installed',
    ],
  ])('cannot be enforced: %s', (_, profiles, pod, why) => {
    expect(unenforceableLabel(pod, profiles)).toEqual({
      reason: 'AppArmor',
      message: `Cannot enforce AppArmor: ${why}`,
    });
  });
});

test('options of SELinux mean nothing without it, and are not passed over where it is', () => {
  const pod = spec(undefined, { seLinuxOptions: { level: 's0:c1,c2' } });
  expect(unenforceableLabel(pod, node({ selinux: false }))).toBeUndefined();
  expect(unenforceableLabel(pod, node({ selinux: true }))).toMatchObject({ reason: 'SELinux' });
  expect(unenforceableLabel(spec(), node({ selinux: true }))).toBeUndefined();
});
