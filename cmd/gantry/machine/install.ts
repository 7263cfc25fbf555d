import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../assets.ts';
import { PROXY_VARIABLES, SERVER_PROXY, variable } from '../connection/proxy.ts';
import { dataDirectoryOf } from './processes.ts';
import { systemdRunsHere } from './systemd.ts';
import { unitCommand, unitText, unitWithProgram } from './unit.ts';

export interface InstallFlags {
  /** Of the unit. */
  name: string;
  /** Where units are. */
  unitDir: string;
  start: boolean;
  remove?: boolean;
}

const UNITS = '/etc/systemd/system';
/** Flags that stand in the file, by the variables that say the same. */
const SECRETS = { '--token': 'GANTRY_TOKEN', '--proxy': SERVER_PROXY } as const;

/**
 * `gantry install -- up|join ...`: makes systemd run that from each start of the machine on. A token, and a proxy with its password, do not
 * stand in the unit, which everybody may read, but in a file of root's, where what the environment says of proxies goes too.
 */
export function install(command: readonly string[], flags: InstallFlags): number {
  const { name, unitDir } = flags;
  const unit = join(unitDir, `${name}.service`);
  const secret = join(unitDir, `${name}.env`);
  if (flags.remove) {
    uninstall(name, unit, secret);
    process.stdout.write(`removed ${unit}; what ran goes on until "gantry purge"\n`);
    return 0;
  }
  const { args, variables } = withoutSecrets(command);
  if (args[0] !== 'up' && args[0] !== 'join')
    throw new Error(
      'say what it shall run: gantry install -- up ..., or gantry install -- join https://HOST:6443 ...',
    );
  mkdirSync(unitDir, { recursive: true });
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${quoted(value)}\n`);
  if (lines.length > 0) writeFileSync(secret, lines.join(''), { mode: 0o600 });
  const program = realpathSync(join(root, 'bin/gantry'));
  const text = unitText({ program, args, ...(lines.length > 0 && { environmentFile: secret }) });
  writeFileSync(unit, text, { mode: 0o644 });
  process.stdout.write(`wrote ${unit}\n`);
  if (!isInUse(unitDir)) {
    process.stdout.write('no systemd runs here that would use it\n');
    return 0;
  }
  systemctl('daemon-reload');
  systemctl('enable', ...(flags.start ? ['--now'] : []), name);
  process.stdout.write(`${name} is enabled${flags.start ? ' and started' : ''}: journalctl -u ${name}\n`);
  return 0;
}

/** Takes the unit away that runs an instance, if there is one: whether there was. */
export function uninstallUnitOf(
  root: string,
  { name, unitDir }: Pick<InstallFlags, 'name' | 'unitDir'>,
): boolean {
  const unit = join(unitDir, `${name}.service`);
  if (!existsSync(unit) || !runs(readFileSync(unit, 'utf8'), root)) return false;
  uninstall(name, unit, join(unitDir, `${name}.env`));
  return true;
}

/** Has the unit that runs an instance start another program from its next start on, if there is one. */
export function repointUnitOf(
  root: string,
  program: string,
  { name, unitDir }: Pick<InstallFlags, 'name' | 'unitDir'>,
): void {
  const unit = join(unitDir, `${name}.service`);
  const text = existsSync(unit) ? readFileSync(unit, 'utf8') : '';
  if (!runs(text, root)) return;
  writeFileSync(`${unit}.new`, unitWithProgram(text, program), { mode: 0o644 });
  renameSync(`${unit}.new`, unit);
  if (isInUse(unitDir)) systemctl('daemon-reload');
}

function runs(unit: string, root: string): boolean {
  const args = unitCommand(unit);
  return ['up', 'join'].includes(args[1] ?? '') && dataDirectoryOf(args, '/') === root;
}

function isInUse(unitDir: string): boolean {
  return unitDir === UNITS && systemdRunsHere();
}

function uninstall(name: string, unit: string, secret: string): void {
  if (!existsSync(unit)) throw new Error(`${unit} does not exist`);
  const inUse = isInUse(dirname(unit));
  if (inUse) systemctl('disable', '--now', name);
  for (const path of [unit, secret]) rmSync(path, { force: true });
  if (inUse) systemctl('daemon-reload');
}

/** The arguments without those, and what a unit's environment must hold. Flags win over variables. */
function withoutSecrets(command: readonly string[]): { args: string[]; variables: Record<string, string> } {
  const args = [...command];
  const variables: Record<string, string> = {};
  for (const name of ['GANTRY_TOKEN', ...PROXY_VARIABLES]) {
    const value = variable(process.env, name);
    if (value) variables[name] = value;
  }
  for (const [flag, name] of Object.entries(SECRETS)) {
    const at = args.findIndex((arg) => arg === flag || arg.startsWith(`${flag}=`));
    if (at < 0) continue;
    const [found, next] = args.splice(at, args[at] === flag ? 2 : 1);
    variables[name] = found === flag ? (next ?? '') : found!.slice(flag.length + 1);
  }
  return { args, variables };
}

/** As systemd reads a value of an EnvironmentFile. Source: systemd.exec(5). */
function quoted(value: string): string {
  return /^[A-Za-z0-9_.,:/@%+=*-]*$/.test(value) ? value : `"${value.replaceAll(/["\\$`]/g, '\\$&')}"`;
}

function systemctl(...args: string[]): void {
  execFileSync('systemctl', args, { stdio: ['ignore', 'inherit', 'inherit'] });
}
