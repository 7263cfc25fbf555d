import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { rename, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NodeKind } from '#api/kinds/node.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import { restClient } from '#client/rest.ts';
import { sleep, systemClock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { systemFiles } from '#machinery/files.ts';
import { findRoot, version } from '../assets.ts';
import { repointUnitOf } from '../machine/install.ts';
import { pidFileOf, runningPid, supervisorCommand } from '../machine/processes.ts';
import { membershipOf, openDoors } from '../membership/membership.ts';
import { bundleArchitecture } from '../membership/node-bundle.ts';
import { pathsOf } from '../paths.ts';
import { progressLine } from '../progress.ts';
import { formatBytes, formatTable } from '../table.ts';
import type { UpgradeFlags } from './options.ts';
import { newestServer, type Surroundings, whyNotUpgrade } from './plan.ts';
import { type Program, programIn, type Source, sourceAt, sourceOf } from './programs.ts';
import { readUpgrade, writeUpgrade } from './record.ts';
import { HANDOVER_SIGNAL } from './supervisor.ts';
import { lookAround, type Scene, versionAt } from './surroundings.ts';
import { inTurn } from './turn.ts';

/** As join.sh puts them. */
const prefix = () => process.env['GANTRY_PREFIX'] ?? '/opt/gantry';
const linkPath = () => join(process.env['GANTRY_BIN'] ?? '/usr/local/bin', 'gantry');
const LOOK_EVERY_MS = 200;
/** Long enough for the roles to stop, which are killed when they do not, and for the program of before to start. */
const UNDO_MS = 90_000;

const tell = (text: string) => process.stderr.write(`${text}\n`);

/**
 * `gantry upgrade`: this machine runs another version, with its containers running on. Checks before it acts; when the other version does
 * not come up, the one of before goes on.
 */
export async function upgrade(flags: UpgradeFlags): Promise<number> {
  if (process.getuid?.() !== 0) throw new Error('containers need root: use sudo');
  const paths = pathsOf(flags.dataDir);
  const files = systemFiles();
  const running = supervisorOf(paths);
  if (!running)
    throw new Error(
      `nothing runs on ${paths.root}: start the version that it is to run, or name its --data-dir`,
    );
  const machine = await membershipOf(files, paths, '');
  if (!machine) throw new Error(`${paths.root} is in no cluster yet: wait until it is`);
  const doors = await openDoors(files, paths, machine, systemClock);
  const client = restClient({ transport: doors.any, clock: systemClock, userAgent: `gantry/${version}` });
  const scene: Scene = { paths, machine, client, doors, clock: systemClock };
  try {
    if (flags.check) {
      const around = await lookAround(scene);
      return showCheck(
        flags,
        running.program,
        around,
        await sourceFor(flags, scene, running.program, around),
      );
    }
    return await inTurn(scene, tell, async () => {
      const around = await lookAround(scene);
      const source = await sourceFor(flags, scene, running.program, around);
      if (!source)
        throw new Error('no other server has programs for this kind of machine: name them with --from');
      const reasons = whyNotUpgrade(source.version, around);
      if (reasons.length > 0)
        throw new Error(`this machine cannot run ${source.version} now:\n  ${reasons.join('\n  ')}`);
      return await change(flags, scene, running.program, source);
    });
  } finally {
    doors.close();
  }
}

/** What runs on the data directory: its pid, its program, and whether it runs a node. */
function supervisorOf(paths: Scene['paths']): { pid: number; program: Program; agent: boolean } | undefined {
  const pid = runningPid(pidFileOf(paths.run), paths.root);
  const command = pid === undefined ? undefined : supervisorCommand(pid);
  // Between two programs the command line is the shell's that starts one.
  if (pid === undefined || !command || !existsSync(command.main)) return undefined;
  const program = programIn(findRoot(dirname(realpathSync(command.main))));
  return { pid, program, agent: !command.args.includes('--no-agent') };
}

async function sourceFor(
  flags: UpgradeFlags,
  { paths, doors }: Scene,
  running: Program,
  { servers }: Surroundings,
): Promise<Source | undefined> {
  if (flags.from !== undefined) return await sourceAt(flags.from);
  if (flags.back) {
    const record = await readUpgrade(systemFiles(), paths);
    if (record?.state !== 'done' || record.program !== running.folder)
      throw new Error('this machine was not upgraded, or is back already: name a version with --from');
    return await sourceAt(record.before);
  }
  const newest = newestServer(servers, bundleArchitecture);
  return newest && sourceOf(newest.url, newest.version, doors.transportTo(newest.url));
}

function showCheck(
  { output }: UpgradeFlags,
  running: Program,
  around: Surroundings,
  source: Source | undefined,
): number {
  const reasons = source ? whyNotUpgrade(source.version, around) : [];
  const { role, nodeName, servers, nodes } = around;
  if (output === 'json') {
    const facts = {
      role,
      node: nodeName,
      version: running.version,
      to: source?.version,
      reasons,
      servers,
      nodes,
    };
    process.stdout.write(`${JSON.stringify(facts, null, 2)}\n`);
    return reasons.length > 0 ? 1 : 0;
  }
  const rows = servers.map(({ url, answer }) => [url, 'fault' in answer ? answer.fault : answer.version]);
  const ofNodes = nodes.map(({ name, version }) => [`node ${name}`, version.replace(/^v/, '')]);
  const here = [`this machine, a ${role}`, running.version];
  process.stdout.write(formatTable([['WHERE', 'VERSION'], here, ...rows, ...ofNodes]));
  if (reasons.length > 0)
    process.stdout.write(`\nit cannot run ${source!.version}:\n  ${reasons.join('\n  ')}\n`);
  else if (source) process.stdout.write(`\nit can run ${source.version}, of ${source.from}\n`);
  return reasons.length > 0 ? 1 : 0;
}

async function change(flags: UpgradeFlags, scene: Scene, before: Program, source: Source): Promise<number> {
  const { machine } = scene;
  const program = await obtain(source);
  const facts = { node: machine.nodeName, role: machine.role, from: before.version, to: program.version };
  if (program.folder !== before.folder) await changeTo(flags, scene, program, before);
  else await keepTrial(scene, program);
  const was = program.folder === before.folder ? 'already' : `now; before it was ${before.version}`;
  process.stdout.write(
    flags.output === 'json'
      ? `${JSON.stringify(facts)}\n`
      : `${facts.node || 'this machine'} runs ${program.version} ${was}\n`,
  );
  return 0;
}

async function changeTo(flags: UpgradeFlags, scene: Scene, program: Program, before: Program): Promise<void> {
  tell(`${before.version} stops, and ${program.version} goes on`);
  await switchTo(flags, scene, { program, before, state: 'trial' });
  try {
    await comesUp(scene, program, flags.timeout);
  } catch (error) {
    const why = messageOf(error);
    tell(`${why}: ${before.version} goes on again`);
    await undo(flags, scene, before, program, why);
    throw new Error(`${program.version} did not come up (${why}); ${before.version} runs again`);
  }
  const record = { program: program.folder, before: before.folder, state: 'done' } as const;
  await writeUpgrade(systemFiles(), scene.paths, record);
}

/** A trial whose command was interrupted is over when the program that runs is asked for again. */
async function keepTrial({ paths }: Scene, { folder }: Program): Promise<void> {
  const record = await readUpgrade(systemFiles(), paths);
  if (record?.state === 'trial' && record.program === folder)
    await writeUpgrade(systemFiles(), paths, { ...record, state: 'done' });
}

async function obtain(source: Source): Promise<Program> {
  tell(`taking ${source.version} of ${source.from}`);
  const line = progressLine();
  try {
    return await source.obtain(prefix(), (bytes) => line.show(`${formatBytes(bytes)} have come`));
  } finally {
    line.end();
  }
}

interface Switch {
  program: Program;
  before: Program;
  state: 'trial' | 'failed';
  why?: string;
}

/** What starts this machine's program from now on, also after a reboot, and then the process that runs. */
async function switchTo(
  { unit, unitDir }: UpgradeFlags,
  { paths }: Scene,
  { program, before, state, why }: Switch,
): Promise<void> {
  const record = { program: program.folder, before: before.folder, state, ...(why && { why }) };
  await writeUpgrade(systemFiles(), paths, record);
  repointUnitOf(paths.root, join(program.folder, 'bin/gantry'), { name: unit, unitDir });
  await repointLink(before, program);
  const running = supervisorOf(paths);
  if (running && running.program.folder !== program.folder) process.kill(running.pid, HANDOVER_SIGNAL);
}

/** The command's name on the PATH, where it is a link to the program of before. */
async function repointLink(before: Program, program: Program): Promise<void> {
  const link = linkPath();
  const isOurs = existsSync(link) && lstatSync(link).isSymbolicLink();
  if (!isOurs || realpathSync(link) !== realpathSync(join(before.folder, 'bin/gantry'))) return;
  await symlink(join(program.folder, 'bin/gantry'), `${link}.new`);
  await rename(`${link}.new`, link);
}

/** Resolves once the program does all that this machine is for. Rejects when it does not in time, or was given up. */
async function comesUp(scene: Scene, program: Program, timeoutMs: number): Promise<void> {
  const { clock, paths } = scene;
  const line = progressLine();
  let missing = 'it has not started';
  try {
    for (const end = clock.monotonic() + timeoutMs; ; await sleep(clock, LOOK_EVERY_MS)) {
      const record = await readUpgrade(systemFiles(), paths);
      if (record?.state === 'failed') throw new Error(record.why ?? 'it gave up');
      missing = (await whatIsMissing(scene, program).catch(messageOf)) ?? '';
      if (missing === '') return;
      if (clock.monotonic() > end) throw new Error(`${missing}, after ${timeoutMs / 1000} s`);
      line.show(missing);
    }
  } finally {
    line.end();
  }
}

async function whatIsMissing(scene: Scene, { folder, version }: Program): Promise<string | undefined> {
  const { paths, machine, doors, client } = scene;
  const running = supervisorOf(paths);
  if (running?.program.folder !== folder) return `${version} has not started`;
  if (machine.role === 'server') {
    const server = doors.transportTo(machine.url);
    const { version: said } = await versionAt(server);
    if (said !== version) return `the server is still ${said}`;
    const { status } = await server.request({ method: 'GET', path: '/readyz', headers: {} });
    if (status !== 200) return 'the server is not ready';
  }
  if (!running.agent) return undefined;
  const { status } = await client.get(NodeKind, { name: machine.nodeName });
  if (status?.nodeInfo?.kubeletVersion !== `v${version}`)
    return `the node has not said that it is ${version}`;
  return conditionOf(status.conditions, 'Ready')?.status === 'True' ? undefined : 'the node is not Ready';
}

/** Rejects when the program of before does not run either. */
async function undo(
  flags: UpgradeFlags,
  scene: Scene,
  before: Program,
  failed: Program,
  why: string,
): Promise<void> {
  await switchTo(flags, scene, { program: before, before: failed, state: 'failed', why });
  const { clock, paths } = scene;
  for (const end = clock.monotonic() + UNDO_MS; ; await sleep(clock, LOOK_EVERY_MS)) {
    if (supervisorOf(paths)?.program.folder === before.folder) return;
    if (clock.monotonic() > end)
      throw new Error(
        `${failed.version} did not come up (${why}), and nothing runs on ${paths.root} now: start ${before.folder}/bin/gantry as before; the log says more`,
      );
  }
}
