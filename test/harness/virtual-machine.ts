import type { ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { emulation, startQemu } from '#hack/machines/qemu.ts';
import { GuestAgent } from './guest-agent.ts';
import type { Tap } from './lab.ts';
import { eventually, mustRun, type Ran } from './run.ts';

/** What every machine boots: files. */
export interface System {
  image: string;
  initramfs: string;
  disk: string;
}

/** In MiB. What systemd, a node and a few pods need. */
const MEMORY_MIB = 768;
/** Nothing new on the console for this long: it hangs. A processor that is only imagined takes its time. */
const SILENT_MS = 180_000;
const LONGEST_MS = 900_000;
const COMMAND_MS = 120_000;

/**
 * A virtual machine on a switch of a lab: Debian with systemd and cloud-init, which finds its name, its address and its user data on a
 * CD, as from a cloud (NoCloud). What it writes is forgotten when it ends.
 */
export class VirtualMachine {
  readonly name: string;
  readonly tap: Tap;
  readonly #directory: string;
  readonly #system: System;
  #process: ChildProcess | undefined;
  #agent: GuestAgent | undefined;

  /** `directory`: for its files; made. */
  constructor(name: string, tap: Tap, system: System, directory: string) {
    this.name = name;
    this.tap = tap;
    this.#system = system;
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  /** Switches it on for the first time. `files` are on its CD beside what cloud-init looks for. */
  async start(userData: string, files: readonly string[] = []): Promise<void> {
    const disks = [this.#system.disk, await this.#makeCd(userData, files)];
    const { image, initramfs } = this.#system;
    const { device, mac, inside } = this.tap;
    const args = [
      ...emulation({ cpus: 1, memoryMib: MEMORY_MIB, image, initramfs, disks, consoleLog: this.consoleLog }),
      ...['-netdev', `tap,id=wire,ifname=${device},script=no,downscript=no`],
      ...['-device', `virtio-net-pci,netdev=wire,mac=${mac}`],
      ...['-chardev', `socket,id=agent,path=${this.#agentSocket},server=on,wait=off`],
      ...['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
    ];
    const child = startQemu(args, { inside });
    this.#process = child;
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
  }

  /** Source: cloud-init documentation, "NoCloud", "Networking config Version 2". */
  async #makeCd(userData: string, files: readonly string[]): Promise<string> {
    const seed = join(this.#directory, 'seed');
    mkdirSync(seed);
    const { address, gateway, mac } = this.tap;
    const network = {
      version: 2,
      ethernets: {
        wire: { match: { macaddress: mac }, addresses: [`${address}/24`], gateway4: gateway },
      },
    };
    const metadata = { 'instance-id': this.name, 'local-hostname': this.name };
    writeFileSync(join(seed, 'meta-data'), JSON.stringify(metadata));
    writeFileSync(join(seed, 'network-config'), JSON.stringify(network));
    writeFileSync(join(seed, 'user-data'), userData);
    for (const file of files) copyFileSync(file, join(seed, basename(file)));
    const cd = join(this.#directory, 'seed.iso');
    await mustRun('genisoimage', ['-quiet', '-V', 'cidata', '-J', '-r', '-o', cd, seed]);
    return cd;
  }

  get #agentSocket(): string {
    return join(this.#directory, 'agent');
  }

  get consoleLog(): string {
    return join(this.#directory, 'console.log');
  }

  /** The end of what it has said. */
  console(lines = 60): string {
    const text = existsSync(this.consoleLog) ? readFileSync(this.consoleLog, 'utf8') : '';
    return `the console of ${this.name} ends:\n${text.split('\n').slice(-lines).join('\n')}`;
  }

  get isOn(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  /** Looks until it is so, for as long as the machine is on and goes on saying something. Fails with the end of its console. */
  async until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const end = Date.now() + LONGEST_MS;
    let [size, heardAt] = [0, Date.now()];
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      const now = existsSync(this.consoleLog) ? statSync(this.consoleLog).size : 0;
      if (now !== size) [size, heardAt] = [now, Date.now()];
      const why = this.#hopeless(heardAt, end);
      if (why) throw new Error(`${what}: ${why}\n${this.console()}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  #hopeless(heardAt: number, end: number): string | undefined {
    if (!this.isOn) return 'the machine is off';
    if (Date.now() - heardAt > SILENT_MS) return `the machine has said nothing for ${SILENT_MS / 1000} s`;
    return Date.now() > end ? `not within ${LONGEST_MS / 1000} s` : undefined;
  }

  /** Whether commands can be run in it. */
  async isUp(): Promise<boolean> {
    this.#agent ??= existsSync(this.#agentSocket) ? await GuestAgent.open(this.#agentSocket) : undefined;
    return (await this.#agent?.isUp()) ?? false;
  }

  /** Runs a script of sh in it, as root. */
  async run(script: string, timeoutMs = COMMAND_MS): Promise<Ran> {
    this.#agent ??= await GuestAgent.open(this.#agentSocket);
    return await this.#agent.run(script, timeoutMs).catch((error) => {
      throw new Error(`${this.name}: ${error.message}\n${this.console()}`);
    });
  }

  /** As `run`, and fails with what was said when the exit code is not 0; the standard output without the last line's end. */
  async must(script: string, timeoutMs?: number): Promise<string> {
    const { code, stdout, stderr } = await this.run(script, timeoutMs);
    if (code !== 0) throw new Error(`${this.name}: ${script}: exit code ${code}\n${stderr}${stdout}`);
    return stdout.trimEnd();
  }

  /** Starts the system again, and waits until commands can be run in it. */
  async reboot(): Promise<void> {
    const boot = 'cat /proc/sys/kernel/random/boot_id';
    const before = await this.must(boot);
    await this.must('systemctl reboot --no-block');
    await this.until('it is up again', async () => {
      if (!(await this.isUp())) return undefined;
      // It may go down at any moment.
      const { stdout } = await this.run(boot).catch(() => ({ stdout: before }));
      return stdout.trim() !== before || undefined;
    });
  }

  /** Lets the system switch the machine off; gives the seconds it took. */
  async powerOff(): Promise<number> {
    const started = Date.now();
    await this.must('systemctl poweroff --no-block');
    const gone = async () => (this.isOn ? undefined : true);
    await eventually(`${this.name} switches itself off`, gone, { timeoutMs: SILENT_MS }).catch((error) => {
      throw new Error(`${error.message}\n${this.console()}`);
    });
    return (Date.now() - started) / 1000;
  }

  /** Pulls the plug. */
  async stop(): Promise<void> {
    this.#agent?.close();
    if (!this.isOn) return;
    this.#process!.kill('SIGKILL');
    await eventually('QEMU is gone', async () => (this.isOn ? undefined : true));
  }
}
