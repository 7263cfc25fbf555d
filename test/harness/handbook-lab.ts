import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Block, blocksOf, isAsShown, withWords } from './handbook.ts';
import { hostProcesses, killHost } from './host-processes.ts';
import { anyKubectl } from './kubectl.ts';
import { Lab, type LabHost } from './lab.ts';
import { eventually, mustRun, type Ran, run } from './run.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const SYSTEMD = join(ROOT, 'test/harness/systemd');
const PATIENCE_MS = 120_000;
/** The first process of a machine: takes in those whose parents have ended. */
const INIT = 'while :; do sleep 1000 & wait $!; done';
/** Directories in which an operator's machine has its own: each host's lie on its disk, empty. */
const OWN = ['/var/lib', '/var/backups', '/opt', '/etc/systemd/system'];

/**
 * Machines `node-1`, `node-2`, ... as docs/operations.md is for: gantry has its usual places on each, and systemd runs it, as far as a
 * unit of `gantry install` needs one (test/harness/systemd; test/machines has the real one).
 */
export class HandbookLab {
  readonly directory = mkdtempSync(join(tmpdir(), 'gantry-handbook-'));
  readonly lab: Lab;
  readonly #blocks: readonly Block[];
  /** The processes above the first of each machine: each sees its own alone, as all have the same places. */
  readonly #inits = new Map<LabHost, number>();
  /** Words of the handbook by what they are here. */
  readonly #words: Record<string, string> = { 'manifests/': `${ROOT}manifests/` };

  constructor(hosts: number, diskBytes = 2 ** 31) {
    const space = { directoryOf: (at: number) => this.directoryOf(at + 1), diskBytes };
    this.lab = new Lab({ hosts, space });
    this.#blocks = blocksOf(readFileSync(join(ROOT, 'docs/operations.md'), 'utf8'));
    for (const [at, { address }] of this.lab.hosts.entries()) this.#words[`10.0.0.${at + 1}`] = address;
  }

  /** Starts all machines. On the first one gantry is installed, nothing else. */
  async create(): Promise<void> {
    await this.lab.create();
    for (const host of this.lab.hosts) await this.#furnish(host);
    await mustRun(...this.on(1, `ln -s ${ROOT}bin/gantry /usr/local/bin/gantry`));
  }

  /** The disk of the machine of a number, whose operator's directory it is too. */
  directoryOf(number: number): string {
    return join(this.directory, `node-${number}`);
  }

  /** What the handbook cannot know: tokens, sums. */
  learn(word: string, meaning: string): void {
    this.#words[word] = meaning;
  }

  /** A command line that runs a script of sh on the machine of a number, as an operator's shell there does. */
  on(number: number, script: string): [string, string[]] {
    const host = this.lab.hosts[number - 1]!;
    const shell = `hostname node-${number}
      export HOME=${host.space!.options.directory} KUBECONFIG=/var/lib/gantry/admin.kubeconfig
      export PATH=${SYSTEMD}:/usr/local/bin:$PATH
      kubectl() { ${anyKubectl()} "$@"; }
      cd "$HOME"; eval "$0"`;
    return this.#amid(host, 'unshare', ['--uts', '--', 'sh', '-ec', shell, script]);
  }

  /** Any script on a machine; what it prints. */
  async sh(number: number, script: string): Promise<string> {
    const [command, args] = this.on(number, withWords(script, this.#words));
    return await mustRun(command, args, { timeoutMs: PATIENCE_MS });
  }

  /**
   * Does what a block of the handbook says on a machine. It must succeed (or end with `code`), and print what the handbook shows;
   * returns it.
   */
  async play(name: string, number: number, code = 0): Promise<string> {
    const { commands, output, line } = this.#blockOf(name);
    const ran = await this.#run(number, commands);
    const printed = withWords(ran.stdout, this.#wordsBack());
    const where = `docs/operations.md:${line} (${name})`;
    expect(`exit code ${ran.code}\n${ran.code === code ? '' : printed}`, where).toBe(`exit code ${code}\n`);
    if (output !== undefined && !isAsShown(output, printed)) expect(printed, where).toBe(output);
    return ran.stdout;
  }

  /** A power cut of a machine; it stays off until `boot`. */
  async kill(number: number): Promise<void> {
    await killHost(this.lab.hosts[number - 1]!.name);
  }

  /** Its next start: the units that are enabled are not started, which is for who calls. */
  async boot(number: number): Promise<void> {
    const host = this.lab.hosts[number - 1]!;
    await host.reboot();
    await this.#furnish(host);
  }

  /** Ends everything and removes every trace; returns what runs on. */
  async destroy(): Promise<string[]> {
    for (const { name } of this.lab.hosts) await killHost(name);
    const left = this.lab.hosts.flatMap(({ name }) => hostProcesses(name).map((pid) => `${name}: ${pid}`));
    await this.lab.remove();
    rmSync(this.directory, { recursive: true, force: true });
    return left;
  }

  #blockOf(name: string): Block {
    const block = this.#blocks.find((one) => one.name === name);
    if (!block) throw new Error(`docs/operations.md has no block "${name}"`);
    return block;
  }

  /** Both outputs in the order in which they came. */
  #run(number: number, commands: string): Promise<Ran> {
    const script = `exec 2>&1\n${withWords(commands, this.#words)}`;
    return run(...this.on(number, script), { timeoutMs: PATIENCE_MS });
  }

  #wordsBack(): Record<string, string> {
    return Object.fromEntries(Object.entries(this.#words).map(([word, meaning]) => [meaning, word]));
  }

  /** A command line among the processes of a machine. */
  #amid(host: LabHost, command: string, args: readonly string[]): [string, string[]] {
    const [first, rest] = host.inside(command, args);
    return ['nsenter', [`--pid=/proc/${this.#inits.get(host)}/ns/pid_for_children`, '--', first, ...rest]];
  }

  async #furnish(host: LabHost): Promise<void> {
    const [command, args] = host.inside('unshare', ['--pid', '--fork', '--', 'sh', '-c', INIT]);
    const { pid } = spawn(command, args, { stdio: 'ignore', detached: true });
    this.#inits.set(host, pid!);
    // Before, it is still this machine's.
    const ours = readlinkSync('/proc/self/ns/pid');
    await eventually(
      `${host.name} has a first process`,
      async () => readlinkSync(`/proc/${pid}/ns/pid_for_children`) !== ours || undefined,
    );
    const disk = host.space!.options.directory;
    const lines = OWN.map((place) => `mkdir -p ${disk}${place} && mount --bind ${disk}${place} ${place}`);
    // Of the machine's, for what else is there may be Node or kubectl; and a place for what is installed.
    const bin = `${disk}/bin`;
    lines.push(
      'mount -t proc proc /proc',
      `mkdir -p ${bin}/own ${bin}/work /run/systemd/system`,
      `mount -t overlay -o lowerdir=/usr/local/bin,upperdir=${bin}/own,workdir=${bin}/work overlay /usr/local/bin`,
    );
    await mustRun(...this.#amid(host, 'sh', ['-ec', lines.join('\n')]));
  }
}
