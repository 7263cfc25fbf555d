import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeCheckout } from './checkout.ts';
import { countOf, runCluster } from './cluster.ts';
import { makeInitramfs } from './initramfs.ts';
import { fetchKernel } from './kernel.ts';
import { Machine } from './machine.ts';
import { makeRoot } from './root.ts';

const USAGE = `hack/vms N [-- COMMAND...]
hack/vms run [flags] -- COMMAND...
hack/vms run [flags] --shell

N: a cluster of a server here and N virtual machines with Debian, systemd and cloud-init, which join it at their first start by what
"gantry cloud-config" prints. Runs the command beside the server with KUBECONFIG set, or waits for Ctrl-C; removes everything.

run: boots Debian's cloud kernel in QEMU, emulated in software, with this checkout in a small root, and runs the command in
the checkout. There is cgroup v2 with all controllers, AppArmor, and every module of that kernel. What the machine writes
is forgotten when it ends, but for /out.

  --shell            an interactive shell instead of a command
  --out DIR          what the command leaves in /out goes to DIR
  --timeout SECONDS  how long the machine may take (default 600; with --shell none)
  --cpus N           processors (default 2)
  --memory MIB       memory (default 3072)

Ends as the command ended; with 124 when it took too long, with 125 when the machine did not get that far.
`;

const CACHE = 'dist/machines';
/** The longest a timer can wait. */
const NEVER_MS = 2 ** 31 - 1;
const LATE = 124;
const BROKEN = 125;
const CONSOLE_LINES = 40;

interface Job {
  /** undefined: a shell. */
  command: string[] | undefined;
  out: string | undefined;
  timeoutMs: number;
  cpus: number;
  memoryMib: number;
}

/** undefined: what was asked for cannot be made out. */
function jobOf(args: string[]): Job | 'help' | undefined {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      shell: { type: 'boolean', default: false },
      out: { type: 'string' },
      timeout: { type: 'string', default: '600' },
      cpus: { type: 'string', default: '2' },
      memory: { type: 'string', default: '3072' },
    },
  });
  const [verb, ...command] = positionals;
  if (values.help) return 'help';
  if (verb !== 'run' || (command.length === 0) !== values.shell) return undefined;
  return {
    command: values.shell ? undefined : command,
    out: values.out,
    timeoutMs: values.shell ? NEVER_MS : Number(values.timeout) * 1000,
    cpus: Number(values.cpus),
    memoryMib: Number(values.memory),
  };
}

/** Tells how long each part took. */
function stopwatch(): (what: string) => void {
  let started = performance.now();
  return (what) => {
    const now = performance.now();
    console.error(`  ${what.padEnd(44)} ${((now - started) / 1000).toFixed(1).padStart(6)} s`);
    started = now;
  };
}

async function run(job: Job, directory: string): Promise<number> {
  const done = stopwatch();
  mkdirSync(CACHE, { recursive: true });
  const kernel = fetchKernel(CACHE);
  done(`kernel ${kernel.release}`);
  const root = makeRoot(CACHE, kernel);
  done('root');
  for (const build of [[], ['WEAKEN=1']])
    execFileSync('make', ['-s', '-C', 'runtime/helper', ...build], { stdio: 'inherit' });
  const checkout = join(directory, 'checkout.ext4');
  makeCheckout(checkout, { name: 'vm', ...(job.command && { script: quote(job.command) }) });
  done('checkout');
  const initramfs = join(directory, 'initramfs');
  writeFileSync(initramfs, makeInitramfs(kernel));
  const { cpus, memoryMib } = job;
  const disks = [root, checkout];
  const shell = job.command === undefined;
  const machine = new Machine({ directory, image: kernel.image, initramfs, disks, cpus, memoryMib, shell });
  const said = await listen(machine, () => done('boot'));
  const inTime = await machine.run(job.timeoutMs);
  done('all in the machine');
  if (said.status !== '' && job.out !== undefined) {
    mkdirSync(job.out, { recursive: true });
    execFileSync('tar', ['-x', '-C', job.out], { input: Buffer.concat(said.files) });
  }
  if (said.status !== '') return Number(said.status);
  const lines = readFileSync(machine.consoleLog, 'utf8').split('\n');
  console.error(`the machine ${inTime ? 'ended' : 'took too long'}; the end of its console:`);
  console.error(lines.slice(-CONSOLE_LINES).join('\n'));
  return inTime ? BROKEN : LATE;
}

/** Passes on what the machine prints, and gathers how its job ended and what it left. */
async function listen(machine: Machine, booted: () => void): Promise<{ status: string; files: Buffer[] }> {
  const said = { status: '', files: [] as Buffer[] };
  let first = true;
  await machine.listen('output', (chunk) => {
    if (first) booted();
    first = false;
    process.stdout.write(chunk);
  });
  await machine.listen('status', (chunk) => {
    said.status += String(chunk);
  });
  await machine.listen('files', (chunk) => void said.files.push(chunk));
  return said;
}

function quote(command: string[]): string {
  return command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}

async function main(args: string[]): Promise<number> {
  const count = countOf(args);
  if (count !== undefined && (args.length === 1 || args[1] === '--'))
    return await runCluster(count, args.slice(2));
  const job = jobOf(args);
  if (!job || job === 'help') {
    process.stdout.write(USAGE);
    return job ? 0 : 2;
  }
  const directory = mkdtempSync(join(tmpdir(), 'gantry-vm-'));
  try {
    return await run(job, directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

process.exitCode = await main(process.argv.slice(2));
