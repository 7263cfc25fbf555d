import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseGoDuration } from '#machinery/values/duration.ts';

/** As k3s has it for what nodes tell each other of images. */
const DEFAULT_IMAGE_PORT = 5001;
const WAIT_MS = 300_000;

export function imagePortOption(): Option {
  return new Option('--image-port <port>', 'TCP port where other nodes fetch images that are here; 0 = none')
    .argParser(portOf)
    .default(DEFAULT_IMAGE_PORT);
}

/** The flags of `image load`. */
export function addLoadOptions(command: Command): Command {
  const wait = new Option(
    '--timeout <duration>',
    'how long nodes that are to get it are waited for; 0 = not at all',
  )
    .argParser(waitOf)
    .default(WAIT_MS, '5m');
  return command
    .option('--name <name>', 'name for an archive that holds one image')
    .option('--nodes <names>', 'nodes that get it at once, as a,b (default: all)', namesOf)
    .option('--lazy', 'no node gets it before a pod there wants it')
    .option('--local', 'for this node alone: the cluster knows nothing of it')
    .addOption(wait);
}

/** For commands about names of the cluster. */
export function adminOption(): Option {
  return new Option('--kubeconfig <file>', "of an administrator (default: the data directory's)");
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65535)) throw new InvalidArgumentError('write it as 5001, or 0 for none.');
  return port;
}

function waitOf(text: string): number {
  const waitMs = parseGoDuration(text);
  if (waitMs === undefined || waitMs < 0) throw new InvalidArgumentError('write it as 90s, 5m or 0.');
  return waitMs;
}

function namesOf(text: string): string[] {
  const names = text.split(',').filter((name) => name !== '');
  if (names.length === 0) throw new InvalidArgumentError('write it as a,b.');
  return names;
}
