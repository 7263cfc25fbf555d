import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { systemClock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import { textLogger } from '#machinery/log.ts';
import { NativeAddressKernel } from '#network/virtual-address/kernel.ts';
import { networkConfigPath } from '#node-agent/paths.ts';
import { instanceOf, type Paths, pathsOf } from '../paths.ts';
import { takeOff } from '../virtual-address/record.ts';
import { memoryDirectory } from './memory-dir.ts';
import { openNode } from './node.ts';
import { endLeftRoles, pidFileOf, runningPid } from './processes.ts';

/** `gantry purge --yes`: nothing the instance made on this machine stays. */
export async function purge({ dataDir, yes }: { dataDir: string; yes?: boolean }): Promise<number> {
  if (!existsSync(dataDir)) {
    process.stdout.write(`nothing is in ${dataDir}\n`);
    return 0;
  }
  const paths = pathsOf(dataDir);
  const pid = runningPid(pidFileOf(paths.run), paths.root);
  if (pid !== undefined) throw new Error(`${paths.root} is in use by process ${pid}: stop it first`);
  if (!yes)
    throw new Error(`this removes all containers, data and images of ${paths.root}: say --yes to do it`);
  const pods = await removeInstance(paths);
  process.stdout.write(`removed ${pods} pods and everything else of ${paths.root}\n`);
  return 0;
}

/** What can be of use to the next cluster that the machine joins. */
const REUSABLE = ['images', 'seccomp'];

/**
 * Removes what an instance made in the kernel, and its files; with `keepImages` all but images and seccomp profiles. Its roles must have
 * been stopped. Resolves with the number of pods that were there.
 */
export async function removeInstance(paths: Paths, keepImages = false): Promise<number> {
  const instance = instanceOf(paths.root);
  const log = textLogger((line) => process.stderr.write(line), 'warn', systemClock, { part: 'purge' });
  await endLeftRoles(paths.root, systemClock, log);
  const { runtime, network, snapshots } = await openNode(paths, instance);
  const { helper } = runtime;
  await takeOff(paths, new NativeAddressKernel({ netlink: helper, frames: helper, clock: systemClock }));
  const sandboxes = await runtime.list();
  await Promise.all(sandboxes.map(({ id }) => runtime.removeSandbox(id)));
  for (const id of await snapshots.list()) await snapshots.remove(id);
  const config = await systemFiles().read(networkConfigPath({ dataDir: paths.agent, memoryDir: '' }));
  if (config) {
    await network.start(JSON.parse(Buffer.from(config).toString()));
    await network.destroy();
  }
  await runtime.destroy();
  await rm(memoryDirectory(instance, paths, log), { recursive: true, force: true });
  if (!keepImages) {
    await rm(paths.root, { recursive: true, force: true });
    return sandboxes.length;
  }
  await removeAllBut(paths.agent, REUSABLE);
  await removeAllBut(paths.root, [basename(paths.agent)]);
  return sandboxes.length;
}

async function removeAllBut(directory: string, kept: readonly string[]): Promise<void> {
  for (const name of await readdir(directory))
    if (!kept.includes(name)) await rm(join(directory, name), { recursive: true, force: true });
}
