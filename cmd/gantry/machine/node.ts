import { join } from 'node:path';
import { systemClock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import { NativeNetwork } from '#network/native.ts';
import { systemSysctl } from '#network/netlink/sysctl.ts';
import { NativeRuntime } from '#runtime/native/index.ts';
import { OverlayfsSnapshots } from '#snapshots/overlayfs/index.ts';
import { programs } from '../assets.ts';
import type { Paths } from '../paths.ts';

/** Where OCI runtimes are looked for when nobody says otherwise. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The kernel's part of a node: what the agent acts through, and what `gantry purge` clears away. */
export interface NodeParts {
  runtime: NativeRuntime;
  network: NativeNetwork;
  snapshots: OverlayfsSnapshots;
}

export async function openNode(paths: Paths, instance: string): Promise<NodeParts> {
  const runtime = await NativeRuntime.open({
    clock: systemClock,
    stateDirectory: join(paths.agent, 'runtime'),
    runDirectory: paths.run,
    binDirectory: programs,
    cgroupRoot: `gantry-${instance}`,
    handlerPath: process.env['PATH'] ?? DEFAULT_PATH,
  });
  const network = new NativeNetwork({
    netlink: runtime.helper,
    sysctl: systemSysctl,
    files: systemFiles(),
    directory: join(paths.agent, 'network'),
    nodePid: process.pid,
  });
  return { runtime, network, snapshots: new OverlayfsSnapshots(join(paths.agent, 'snapshots')) };
}
