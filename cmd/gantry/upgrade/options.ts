import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseGoDuration } from '#machinery/values/duration.ts';
import { DEFAULT_DATA_DIR } from '../options.ts';

export interface UpgradeFlags {
  /** A folder with a program, or an archive of one. */
  from?: string;
  back?: boolean;
  check?: boolean;
  /** Milliseconds. */
  timeout: number;
  dataDir: string;
  /** Of the unit that runs it, if any. */
  unit: string;
  unitDir: string;
  output?: string;
}

const DEFAULT_TIMEOUT_MS = 2 * 60_000;

export function addUpgradeOptions(command: Command): Command {
  const timeout = new Option(
    '--timeout <duration>',
    'how long the other version may take to come up; then the one of before goes on',
  )
    .argParser(timeoutOf)
    .default(DEFAULT_TIMEOUT_MS, '2m');
  return command
    .addOption(new Option('--from <path>', 'a folder or archive with the version').conflicts('back'))
    .option('--back', 'to the version that ran here before')
    .option('--check', 'only tell what runs where, and whether it can be done')
    .addOption(timeout)
    .option('--unit <name>', 'of the systemd unit that runs it, if any', 'gantry')
    .option('--unit-dir <dir>', 'where units are', '/etc/systemd/system')
    .option('-o, --output <format>', 'json')
    .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR);
}

function timeoutOf(text: string): number {
  const ms = parseGoDuration(text);
  if (ms === undefined || ms < 1_000) throw new InvalidArgumentError('write it as 2m; at least 1s.');
  return ms;
}
