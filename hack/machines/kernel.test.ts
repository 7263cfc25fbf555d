import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { probeCgroups } from '#runtime/native/cgroup-layout.ts';
import { probeFeatures } from '#runtime/native/probe.ts';

/** What the machine of hack/vms is for: things that the kernel under it lacks. */
const inside = existsSync('.machine');
const reason = inside ? '' : ': only in the machine of hack/vms';

const ip = (...args: string[]) => execFileSync('ip', args, { encoding: 'utf8' });

describe.skipIf(!inside)(`Debian’s kernel${reason}`, () => {
  test('has every controller in the one tree of cgroup v2, and the runtime finds them', async () => {
    const layout = await probeCgroups();
    expect(layout.mode).toBe('v2');
    const controllers = readFileSync('/sys/fs/cgroup/cgroup.controllers', 'utf8').trim().split(' ');
    expect(controllers).toEqual(expect.arrayContaining(['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids']));
    expect(await probeFeatures(layout, 0)).toMatchObject({
      ...{ cgroupKill: true, cloneIntoCgroup: true, cpusets: true, ioLimits: true, hugepageLimits: true },
      ...{ oomGroup: true, pause: true, overlayLayersByFsconfig: false },
    });
  });

  test('has AppArmor, and it is on', () => {
    expect(readFileSync('/sys/kernel/security/lsm', 'utf8').split(',')).toContain('apparmor');
    expect(readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').trim()).toBe('Y');
  });

  test.each([
    ['VLAN', ['link', 'lo', 'type', 'vlan', 'id', '7']],
    ['WireGuard', ['type', 'wireguard']],
    ['VXLAN', ['type', 'vxlan', 'id', '7', 'dstport', '4789']],
    ['macvlan', ['link', 'lo', 'type', 'macvlan']],
  ])('makes %s devices', (_, args) => {
    // The loopback carries no VLANs; a pair of its own does.
    ip('link', 'add', 'gantry0', 'type', 'veth', 'peer', 'name', 'gantry1');
    try {
      const parent = args.map((arg) => (arg === 'lo' ? 'gantry0' : arg));
      ip('link', 'add', 'gantry2', ...(parent as string[]));
      expect(ip('-d', 'link', 'show', 'gantry2')).toContain(args[args.indexOf('type') + 1]);
      ip('link', 'del', 'gantry2');
    } finally {
      ip('link', 'del', 'gantry0');
    }
  });
});
