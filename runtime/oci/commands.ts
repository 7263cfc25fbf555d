/** The command line that OCI runtimes have in common: runc's. Pure. */

export interface CommandPlace {
  /** The runtime's program, absolute. */
  program: string;
  /** Where it keeps what it knows of the container. */
  stateDirectory: string;
  /** Where it says what went wrong. */
  logFile: string;
}

/** What a runtime names itself after: its files of one start or exec. */
export interface ProcessFiles {
  pidFile: string;
  /** Name of the socket in the bundle's directory that the terminal is sent to; left out without one. */
  consoleSocket?: string;
}

/** Steps of bringing a container to life; `create` leaves it waiting for `start`. */
export function createCommands(
  place: CommandPlace,
  id: string,
  bundle: string,
  files: ProcessFiles,
): string[][] {
  return [
    [...common(place), 'create', '--bundle', bundle, ...processFlags(files), id],
    [...common(place), 'start', id],
  ];
}

export function execCommand(place: CommandPlace, id: string, process: string, files: ProcessFiles): string[] {
  return [...common(place), 'exec', '--detach', '--process', process, ...processFlags(files), id];
}

export function killCommand(place: CommandPlace, id: string, signal: number): string[] {
  return [...common(place), 'kill', id, String(signal)];
}

export function deleteCommand(place: CommandPlace, id: string): string[] {
  return [...common(place), 'delete', '--force', id];
}

function common({ program, stateDirectory, logFile }: CommandPlace): string[] {
  return [program, '--root', stateDirectory, '--log', logFile, '--log-format', 'json'];
}

function processFlags({ pidFile, consoleSocket }: ProcessFiles): string[] {
  return ['--pid-file', pidFile, ...(consoleSocket ? ['--console-socket', consoleSocket] : [])];
}
