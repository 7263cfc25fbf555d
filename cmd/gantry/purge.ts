import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { systemClock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import { textLogger } from '#machinery/log.ts';
import { networkConfigPath } from '#node-agent/paths.ts';
import { memoryDirectory } from './memory-dir.ts';
import { openNode } from './node.ts';
import { instanceOf, pathsOf } from './paths.ts';
import { endLeftRoles, pidFileOf, runningPid } from './processes.ts';

/** `gantry purge --yes`: nothing the instance made on this machine stays. */
export async function purge({ dataDir, yes }: { dataDir: string; yes?: boolean }): Promise<number> {
  if (!existsSync(dataDir)) {
    process.stdout.write(`nothing is in ${dataDir}\n`);
    return 0;
  }
  const paths = pathsOf(dataDir);
  const instance = instanceOf(paths.root);
  const pid = runningPid(pidFileOf(paths.run), paths.root);
  if (pid !== undefined) throw new Error(`${paths.root} is in use by process ${pid}: stop it first`);
  if (!yes)
    throw new Error(`this removes all containers, data and images of ${paths.root}: say --yes to do it`);
  const log = textLogger((line) => process.stderr.write(line), 'warn', systemClock, { part: 'purge' });
  await endLeftRoles(paths.root, systemClock, log);
  const { runtime, network, snapshots } = await openNode(paths, instance);
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
  await rm(paths.root, { recursive: true, force: true });
  process.stdout.write(`removed ${sandboxes.length} pods and everything else of ${paths.root}\n`);
  return 0;
}
