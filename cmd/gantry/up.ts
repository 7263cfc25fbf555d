import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { systemClock } from '#machinery/clock.ts';
import { textLogger } from '#machinery/log.ts';
import { mainProgram } from './assets.ts';
import { makePrivate } from './memory-dir.ts';
import { type Settings, settle, toArguments, type UpFlags } from './options.ts';
import { endLeftRoles, pidFileOf, runningPid } from './processes.ts';
import { EXIT_FINAL, type Role, supervise } from './supervise.ts';

/** `gantry up`: the server and the agent of this machine, in the foreground, until SIGTERM or SIGINT. */
export async function up(flags: UpFlags): Promise<number> {
  if (flags.agent && process.getuid?.() !== 0) {
    process.stderr.write('gantry: containers need root: use sudo, or --no-agent for the server alone\n');
    return EXIT_FINAL;
  }
  const settings = settle(flags);
  const log = textLogger((line) => process.stderr.write(line), settings.logLevel, systemClock, {
    part: 'up',
  });
  const { root, run } = settings.paths;
  const pidFile = pidFileOf(run);
  makePrivate(run);
  const other = runningPid(pidFile, root);
  if (other !== undefined) {
    process.stderr.write(`gantry: ${root} is in use by process ${other}; stop it first\n`);
    return EXIT_FINAL;
  }
  // A file that is there was left by an end without a stop: its roles may still be on their way out.
  if (existsSync(pidFile)) await endLeftRoles(root, systemClock, log);
  writeFileSync(pidFile, `${process.pid}\n`);
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stop.abort());
  log.info('Starting', {
    dataDir: settings.paths.root,
    instance: settings.instance,
    node: settings.nodeName,
  });
  // Timers of the clock do not keep a process alive; a supervisor between two starts must be.
  const hold = setInterval(() => {}, 2 ** 30);
  try {
    return await supervise(rolesOf(settings), { clock: systemClock, log, signal: stop.signal });
  } finally {
    clearInterval(hold);
    rmSync(pidFile, { force: true });
  }
}

/** The server trades memory for throughput: small young spaces, but all of the optimizer. */
const SERVER_FLAGS = ['--max-semi-space-size=4'];

/** The agent's work is waiting; 16 MB less are worth more there than speed. */
const AGENT_FLAGS = ['--max-semi-space-size=2', '--optimize-for-size'];

function rolesOf(settings: Settings): Role[] {
  const roleOf = (name: string, flags: string[]): Role => ({
    name,
    command: [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      ...flags,
      mainProgram,
      name,
      ...toArguments(settings),
    ],
  });
  const server = { ...roleOf('server', SERVER_FLAGS), stopDelayMs: settings.shutdownDelayDuration };
  return settings.agent ? [server, roleOf('agent', AGENT_FLAGS)] : [server];
}
