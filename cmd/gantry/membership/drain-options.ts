import { type Command, InvalidArgumentError, Option } from 'commander';
import { AVAILABILITIES } from '#api/semantics/availability.ts';
import { parseGoDuration } from '#machinery/values/duration.ts';
import { DEFAULT_DATA_DIR } from '../options.ts';

/** Whose rights a command about nodes has. */
export function addAdminOptions(command: Command): Command {
  return command
    .option('--kubeconfig <file>', "whose rights are used, in place of the instance's administrator's")
    .option('--data-dir <dir>', 'of the instance', DEFAULT_DATA_DIR);
}

const DEFAULT_TIMEOUT_MS = 5 * 60_000;

/** The flags of what drains a node. Names are those of `kubectl drain`. */
export function addDrainOptions(command: Command): Command {
  return addTimeoutOption(addGraceOption(command), 'how long to wait for the pods to go; 0 = for ever');
}

/** `what`: is waited for. */
export function addTimeoutOption(command: Command, what: string): Command {
  const timeout = new Option('--timeout <duration>', what)
    .argParser(timeoutOf)
    .default(DEFAULT_TIMEOUT_MS, '5m');
  return command.addOption(timeout);
}

function addGraceOption(command: Command): Command {
  return command.option(
    '--grace-period <seconds>',
    'how long a pod has to end, in place of its own',
    secondsOf,
  );
}

export function addAvailabilityOptions(command: Command): Command {
  const availability = new Option(
    '--availability <availability>',
    'pause: no new pods; drain: its pods go elsewhere too, as disruption budgets let them',
  )
    .choices(AVAILABILITIES)
    .makeOptionMandatory();
  return addGraceOption(addAdminOptions(command.addOption(availability))).option(
    '--force',
    'drain pods too that no controller makes anew',
  );
}

function timeoutOf(text: string): number {
  const ms = text === '0' ? 0 : parseGoDuration(text);
  if (ms === undefined || ms < 0) throw new InvalidArgumentError('write it as 30s, 5m or 0.');
  return ms;
}

function secondsOf(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('it is a number of seconds.');
  return Number(text);
}
