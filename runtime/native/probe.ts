import { access, readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { RuntimeError, type RuntimeHandler } from '../contract.ts';
import { CAPABILITIES } from './capabilities.ts';
import { encodeCgroup, planCgroup } from './cgroup.ts';
import type { CgroupLayout } from './cgroup-layout.ts';
import type { HelperClient } from './helper-client.ts';
import { since } from './kernel-release.ts';
import { OP, Payload, TAG } from './protocol.ts';

/** What we hold ourselves: no container can be given more. */
export async function heldCapabilities(): Promise<string[]> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return CAPABILITIES.filter((_, bit) => (effective >> BigInt(bit)) & 1n);
}

/** The lowest oom_score_adj that may be set: without CAP_SYS_RESOURCE our own. */
export async function leastOomScoreAdj(): Promise<number> {
  if ((await heldCapabilities()).includes('CAP_SYS_RESOURCE')) return -1000;
  return Number(await readFile('/proc/self/oom_score_adj', 'utf8'));
}

/** Pods without a RuntimeClass. */
export function ownHandler(features: Record<string, boolean>): RuntimeHandler {
  return {
    name: '',
    features: {
      // Both kinds of read-only are set by mount_setattr(2), without which no container starts.
      recursiveReadOnlyMounts: true,
      // Every pod with a token has a volume in memory.
      userNamespaces: (features['userNamespaces'] && features['idmappedTmpfs']) ?? false,
    },
  };
}

/** Why the file system at `path` cannot be shown with other owners; undefined: it can. By trying. */
export async function whyNotIdmapped(
  helper: Pick<HelperClient, 'request'>,
  path: string,
): Promise<string | undefined> {
  try {
    await helper.request(OP.PROBE_IDMAP, new Payload().text(TAG.PATH, path));
    return undefined;
  } catch (error) {
    if (error instanceof RuntimeError && error.code === 'Kernel') return error.message;
    throw error;
  }
}

/** Why pods cannot have user namespaces here; undefined: they can. `path`: on the file system that holds the layers. */
export async function whyNoUserNamespaces(
  helper: Pick<HelperClient, 'request'>,
  path: string,
): Promise<string | undefined> {
  // Source: Linux 5.19, "ovl: support idmapped layers".
  if (!since(release(), [5, 19])) return `overlayfs of Linux ${release()} has no idmapped layers`;
  return await whyNotIdmapped(helper, path);
}

/** Source: Linux 6.5, "ovl: add support for appending lowerdirs one by one". */
export function takesLayersOneByOne(): boolean {
  return since(release(), [6, 5]);
}

/** What the node can do, for the Node's features. */
export async function probeFeatures(
  cgroups: CgroupLayout,
  leastOom: number,
): Promise<Record<string, boolean>> {
  const kernel = release();
  const filesystems = await readFile('/proc/filesystems', 'utf8');
  const v2 = cgroups.inUnified.has('memory');
  return {
    overlayfs: /\toverlay$/m.test(filesystems),
    overlayLayersByFsconfig: takesLayersOneByOne(),
    idmappedMounts: since(kernel, [5, 12]),
    cgroupKill: cgroups.unified !== undefined && since(kernel, [5, 14]),
    cloneIntoCgroup: cgroups.unified !== undefined,
    oomScoreAdjNegative: leastOom < 0,
    cpusets: cgroups.controllers.has('cpuset'),
    ioLimits: cgroups.controllers.has('blkio'),
    hugepageLimits: cgroups.controllers.has('hugetlb'),
    memoryQos: v2,
    oomGroup: v2,
    swapLimits: cgroups.swap === true,
    deviceLimits: cgroups.deviceFilter === true || cgroups.controllers.has('devices'),
    pause: cgroups.unified !== undefined || cgroups.controllers.has('freezer'),
    pressure: cgroups.unified !== undefined && (await exists('/proc/pressure/cpu')),
  };
}

let probes = 0;

/**
 * Tries on a group of its own what cannot be seen otherwise: whether BPF may judge the use of devices, and whether swap is
 * accounted (swapaccount=0 takes the files away).
 */
export async function probeGroups(
  layout: CgroupLayout,
  root: string,
  helper: Pick<HelperClient, 'request'>,
): Promise<CgroupLayout> {
  const path = `${root}/probe-${process.pid}-${probes++}`;
  const make = async (deviceFilter: boolean): Promise<CgroupLayout | undefined> => {
    const tried = { ...layout, deviceFilter };
    const group = encodeCgroup(planCgroup(tried, { path, resources: {}, leaf: true }));
    const payload = new Payload().nest(TAG.CGROUP, group);
    try {
      await helper.request(OP.CGROUP_MAKE, payload);
      return { ...tried, swap: await accountsSwap(layout, path) };
    } catch (error) {
      if (error instanceof RuntimeError && error.code === 'Kernel') return undefined;
      throw error;
    } finally {
      await helper.request(OP.CGROUP_REMOVE, payload);
    }
  };
  const filtered = layout.unified ? await make(true) : undefined;
  return filtered ?? (await make(false)) ?? layout;
}

async function accountsSwap({ controllers, inUnified }: CgroupLayout, path: string): Promise<boolean> {
  const file = inUnified.has('memory') ? 'memory.swap.max' : 'memory.memsw.limit_in_bytes';
  return await exists(`${controllers.get('memory')}/${path}/${file}`);
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
