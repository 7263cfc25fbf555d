import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import type { CgroupLayout } from './cgroup.ts';

const CAP_SYS_RESOURCE = 24;

/** The lowest oom_score_adj that may be set: without CAP_SYS_RESOURCE our own. */
export async function leastOomScoreAdj(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  if ((BigInt(`0x${effective}`) >> BigInt(CAP_SYS_RESOURCE)) & 1n) return -1000;
  return Number(await readFile('/proc/self/oom_score_adj', 'utf8'));
}

/** What the node can do, for the Node's features. */
export async function probeFeatures(
  cgroups: CgroupLayout,
  leastOom: number,
): Promise<Record<string, boolean>> {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const since = (wantMajor: number, wantMinor: number) =>
    major > wantMajor || (major === wantMajor && minor >= wantMinor);
  const filesystems = await readFile('/proc/filesystems', 'utf8');
  return {
    overlayfs: /\toverlay$/m.test(filesystems),
    overlayLayersByFsconfig: since(6, 5),
    idmappedMounts: since(5, 12),
    cgroupKill: cgroups.mode === 'v2' && since(5, 14),
    cloneIntoCgroup: cgroups.mode === 'v2' && since(5, 7),
    oomScoreAdjNegative: leastOom < 0,
  };
}
