import type { ContainerSpec, SandboxSpec } from '../contract.ts';
import { type CgroupLayout, type CgroupPlan, planCgroup } from './cgroup.ts';
import { NEEDED } from './cgroup-layout.ts';
import type { NodeFacts } from './encode.ts';
import { parseMountInfo, readMountInfo } from './mountinfo.ts';

/**
 * Groups of containers through OCI runtimes. These make groups of their own in every hierarchy they find, whatever limits
 * there are, and enter the container's processes themselves.
 */

/** Mount points of all hierarchies, also of those we set no limits in. */
export async function cgroupHierarchies(mountinfo?: string): Promise<Record<'v1' | 'v2', string[]>> {
  const found = { v1: new Set<string>(), v2: new Set<string>() };
  for (const { type, target } of parseMountInfo(mountinfo ?? (await readMountInfo()))) {
    const version = type === 'cgroup' ? 'v1' : type === 'cgroup2' ? 'v2' : undefined;
    if (version) found[version].add(target);
  }
  return { v1: [...found.v1], v2: [...found.v2] };
}

/**
 * What is left of the layout when the unified hierarchy is hidden beside v1 ones: OCI runtimes use either all of v2 or none
 * (crun refuses a hybrid node whose unified hierarchy has a controller), and a group that some of a container's processes
 * are not in must not be the one they are killed or frozen by.
 */
export function ociLayout(layout: CgroupLayout): CgroupLayout {
  if (layout.mode !== 'hybrid') return layout;
  const { unified: _, ...rest } = layout;
  const controllers = [...layout.controllers].filter(([name]) => !layout.inUnified.has(name));
  return { ...rest, controllers: new Map(controllers), inUnified: new Set(), deviceFilter: false };
}

/** A group in each v1 hierarchy that containers see: `[name below /sys/fs/cgroup, directory]`. None with v2. */
export function cgroupDirectories(layout: CgroupLayout, path: string): [string, string][] {
  if (layout.mode === 'v2') return [];
  return [...Map.groupBy(NEEDED, (name) => layout.controllers.get(name))].map(([mountpoint, names]) => [
    ...([names.join(','), `${mountpoint}/${path}`] as const),
  ]);
}

/** The plan of a group that an OCI runtime may have made in hierarchies of which the plan knows nothing. */
export function removedEverywhere(
  { hierarchies }: Pick<NodeFacts, 'hierarchies'>,
  plan: CgroupPlan,
  path: string,
): CgroupPlan {
  const all = hierarchies.map((mountpoint) => `${mountpoint}/${path}`);
  return { ...plan, remove: [...new Set([...plan.remove, ...all])] };
}

/**
 * The groups of one container: its own, which the OCI runtime enters with the container's processes, and one for the
 * runtime's program beside it, `_<id>`, which is no container's name. `path` is the pod's group.
 */
export function planOciCgroup(
  facts: NodeFacts,
  pod: string,
  sandbox: SandboxSpec,
  spec: ContainerSpec,
): CgroupPlan {
  const { id, resources, devices } = spec;
  const group = { leaf: true, pod: sandbox.resources };
  const path = `${pod}/${id}`;
  const own = planCgroup(facts.ociCgroups, { ...group, path, resources, ...(devices && { devices }) });
  const program = planCgroup(facts.ociCgroups, {
    ...group,
    path: `${pod}/_${id}`,
    resources: {},
    devices: 'all',
  });
  return {
    ...removedEverywhere(facts, { ...own, remove: [...own.remove, ...program.remove] }, path),
    steps: [...program.steps, ...own.steps],
    attach: program.attach,
    kill: [...own.kill, ...program.kill],
    ...(program.into && { into: program.into }),
  };
}
