import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import { hostProcesses, pauseHost, signalHost } from '#test/harness/host-processes.ts';
import type { Fault, LabHost } from '#test/harness/lab.ts';
import { type KeptLab, labIds, makeLab, openLab, removeLab } from './labs.ts';

const USAGE = `hack/hosts up N [--subnets K] [--mtu BYTES] [--disk MB]   makes N hosts, h1 to hN, and prints the lab's name
hack/hosts exec HOST -- COMMAND...             runs a command there; ends as it ended
hack/hosts shell HOST
hack/hosts list [-o json]
hack/hosts cut A [B] [--one-way]               no packet from A to B (to all) passes, nor back
hack/hosts lossy A [B] PERCENT [--one-way]     that share of them is lost
hack/hosts delay A|all [B] MS [--jitter MS] [--one-way]   they come so much later (--jitter: more or less)
hack/hosts heal A|all [B] [--one-way]          ends what cut, lossy or delay of the same two has begun
hack/hosts fill HOST | free HOST               takes all that is free on its disk, and gives it back
hack/hosts pause HOST | resume HOST            stops every process of the host, and lets it go on
hack/hosts kill HOST [--signal NAME]           every process of the host at once; KILL (default) is a power cut:
                                               only what is on its disk is left
hack/hosts down [--all]                        removes the lab (every lab), with all its processes and files

Each host has an address, a name, mounts, control groups and a disk (a tmpfs of 4096 MB unless --disk says else) of its
own, on a switch that leads nowhere else; commands start on its disk, in $GANTRY_HOST_DIR; all other files are the
machine's. --lab NAME or $GANTRY_LAB: which one, when there are several.
`;

const MAX_DELAY_MS = 60_000;

/** What is asked for makes no sense. */
class UsageError extends Error {}

const OPTIONS = {
  help: { type: 'boolean', short: 'h', default: false },
  lab: { type: 'string' },
  subnets: { type: 'string', default: '1' },
  mtu: { type: 'string', default: '1500' },
  disk: { type: 'string', default: '4096' },
  jitter: { type: 'string', default: '0' },
  output: { type: 'string', short: 'o' },
  signal: { type: 'string', default: 'KILL' },
  all: { type: 'boolean', default: false },
  'one-way': { type: 'boolean', default: false },
} as const;

type Flags = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

function whole(text: string | undefined, what: string, from: number, to: number): number {
  if (!/^\d+$/.test(text ?? '') || Number(text) < from || Number(text) > to)
    throw new UsageError(`${what} is a whole number from ${from} to ${to}`);
  return Number(text);
}

function chosen(flags: Flags): KeptLab {
  const ids = labIds();
  const id = flags.lab ?? process.env['GANTRY_LAB'] ?? (ids.length === 1 ? ids[0] : undefined);
  if (id === undefined)
    throw new UsageError(ids.length === 0 ? 'there is no lab' : `--lab: ${ids.join(', ')}`);
  if (!ids.includes(id)) throw new UsageError(`there is no lab ${id}`);
  return openLab(id);
}

function hostOf({ hosts }: KeptLab, name: string | undefined): LabHost {
  const host = hosts.get(name ?? '');
  if (!host) throw new UsageError(`which host? ${[...hosts.keys()].join(', ')}`);
  return host;
}

/** Ends as the command ends; what it is told to stop by, the command is told. */
async function execute(kept: KeptLab, name: string, command: string[]): Promise<number> {
  const host = hostOf(kept, name);
  // Each command has the host's name in a namespace that ends with it: nothing to be kept or removed.
  const named = ['--uts', '--', 'sh', '-c', 'hostname "$0" && exec "$@"', name, ...command];
  const [program, args] = host.inside('unshare', named);
  const directory = kept.directoryOf(name);
  const env = { ...process.env, GANTRY_HOST_DIR: directory };
  const child = spawn(program, args, { stdio: 'inherit', cwd: directory, env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      // A terminal has told the command itself.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  });
}

function list({ lab, hosts, directoryOf }: KeptLab, flags: Flags): void {
  const rows = [...hosts].map(([name, host]) => ({
    lab: lab.id,
    name,
    address: host.address,
    networkNamespace: host.name,
    directory: directoryOf(name),
    processes: hostProcesses(host.name).length,
  }));
  if (flags.output === 'json') console.log(JSON.stringify(rows, undefined, 2));
  else
    for (const { name, address, processes, directory } of rows)
      console.log(
        `${name.padEnd(4)} ${address.padEnd(15)} ${String(processes).padStart(4)} processes  ${directory}`,
      );
}

type Disturbance = 'cut' | 'lossy' | 'delay' | 'heal';

/** A fault of the wire as it is asked for; its number is the last of the arguments and is taken from them. */
function faultOf(verb: Disturbance, args: string[], flags: Flags): Fault | undefined {
  if (verb === 'heal') return undefined;
  if (verb === 'cut') return { kind: 'cut' };
  if (verb === 'lossy') return { kind: 'lossy', percent: whole(args.pop(), 'PERCENT', 0, 100) };
  const delayMs = whole(args.pop(), 'MS', 0, MAX_DELAY_MS);
  return { kind: 'delay', delayMs, jitterMs: whole(flags.jitter, '--jitter', 0, delayMs) };
}

/** `A`, `all` (whatever each of them sends), `A B`, with a number behind it for `lossy` and `delay`. */
async function disturb(verb: Disturbance, kept: KeptLab, args: string[], flags: Flags): Promise<void> {
  const rest = [...args];
  const fault = faultOf(verb, rest, flags);
  const hosts = [...kept.hosts.values()];
  const apply = async (one: LabHost, other?: LabHost) => {
    await (fault ? kept.lab.fault(one, other, fault) : kept.lab.heal(one, other));
  };
  if (rest[0] === 'all') {
    if (rest.length > 1) throw new UsageError('all hosts, or from which to which?');
    for (const one of hosts) await apply(one);
    return;
  }
  const from = hostOf(kept, rest[0]);
  // Both ways with all others is each of them in both directions.
  const others = rest[1] === undefined ? hosts.filter((host) => host !== from) : [hostOf(kept, rest[1])];
  for (const to of others) {
    await apply(from, to);
    if (!flags['one-way']) await apply(to, from);
  }
}

async function act(verb: string, args: string[], command: string[], flags: Flags): Promise<number> {
  switch (verb) {
    case 'up': {
      const hosts = whole(args[0], 'N', 1, 50);
      const subnets = whole(flags.subnets, '--subnets', 1, 3);
      const mtu = whole(flags.mtu, '--mtu', 576, 65_535);
      const diskBytes = whole(flags.disk, '--disk', 1, 1_048_576) * 1024 * 1024;
      const { lab } = await makeLab({ hosts, subnets, mtu, diskBytes });
      console.log(lab.id);
      return 0;
    }
    case 'exec':
      if (command.length === 0) throw new UsageError('which command? write it after --');
      return await execute(chosen(flags), args[0] ?? '', command);
    case 'shell':
      return await execute(chosen(flags), args[0] ?? '', [process.env['SHELL'] ?? 'sh']);
    case 'list':
      list(chosen(flags), flags);
      return 0;
    case 'cut':
    case 'lossy':
    case 'delay':
    case 'heal':
      await disturb(verb, chosen(flags), args, flags);
      return 0;
    case 'down':
      for (const id of flags.all ? labIds() : [chosen(flags).lab.id]) await removeLab(id);
      return 0;
  }
  return await onHost(verb, chosen(flags), args, flags);
}

async function onHost(verb: string, kept: KeptLab, args: string[], flags: Flags): Promise<number> {
  if (!['pause', 'resume', 'kill', 'fill', 'free'].includes(verb))
    throw new UsageError(`${verb} is no command`);
  const host = hostOf(kept, args[0]);
  const signal = `SIG${flags.signal.replace(/^SIG/, '')}`;
  if (!(signal in constants.signals)) throw new UsageError(`${flags.signal} is no signal`);
  if (verb === 'fill') await host.space!.fill();
  else if (verb === 'free') host.space!.free();
  else if (verb === 'pause') await pauseHost(host.name);
  else if (verb === 'resume') signalHost(host.name, 'SIGCONT');
  else if (signal === 'SIGKILL') await host.reboot();
  else signalHost(host.name, signal as NodeJS.Signals);
  return 0;
}

async function main(args: string[]): Promise<number> {
  try {
    const end = args.indexOf('--');
    const own = end < 0 ? args : args.slice(0, end);
    const { values, positionals } = parseArgs({ args: own, allowPositionals: true, options: OPTIONS });
    const [verb, ...rest] = positionals;
    if (values.help || verb === undefined) {
      process.stdout.write(USAGE);
      return values.help ? 0 : 2;
    }
    return await act(verb, rest, end < 0 ? [] : args.slice(end + 1), values);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!(error instanceof UsageError) && !code?.startsWith('ERR_PARSE_ARGS')) throw error;
    console.error(`hack/hosts: ${message}`);
    return 2;
  }
}

process.exitCode = await main(process.argv.slice(2));
