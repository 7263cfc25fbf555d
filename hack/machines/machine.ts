import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

/** What to boot. */
export interface MachineOptions {
  /** For its sockets and its console log. */
  directory: string;
  image: string;
  initramfs: string;
  /** /dev/vda and on; what the machine writes is forgotten when it ends. */
  disks: string[];
  cpus: number;
  memoryMib: number;
  /** Standard input and output become its console /dev/hvc0. */
  shell: boolean;
}

const APPEND = [
  ...['console=ttyS0', 'loglevel=4', 'panic=-1', 'apparmor=1', 'security=apparmor'],
  // The hardware is imaginary: its faults need no mitigation, its clock no calibration.
  ...['mitigations=off', 'nokaslr', 'tsc=reliable', 'audit=0', 'random.trust_cpu=on'],
];

/** One virtual machine: QEMU's emulation of a PC, without any help of the host's processor. */
export class Machine {
  readonly #options: MachineOptions;
  readonly #servers: Server[] = [];
  readonly #channels: Promise<void>[] = [];
  readonly #args: string[];
  #process: ChildProcess | undefined;

  constructor(options: MachineOptions) {
    this.#options = options;
    const { cpus, memoryMib, image, initramfs, disks } = options;
    this.#args = [
      ...[
        '-nodefaults',
        '-no-user-config',
        '-no-reboot',
        '-display',
        'none',
        '-machine',
        'pc',
        '-cpu',
        'max',
      ],
      ...['-accel', 'tcg,thread=multi,tb-size=512', '-smp', String(cpus), '-m', String(memoryMib)],
      ...['-kernel', image, '-initrd', initramfs, '-append', APPEND.join(' ')],
      ...['-serial', `file:${this.consoleLog}`, '-device', 'virtio-serial', '-device', 'virtio-rng-pci'],
      ...disks.flatMap((disk) => ['-drive', `file=${disk},format=raw,if=virtio,snapshot=on,cache=unsafe`]),
    ];
    if (options.shell)
      this.#args.push('-chardev', 'stdio,id=shell,signal=off', '-device', 'virtconsole,chardev=shell');
  }

  /** Where the kernel's messages are. */
  get consoleLog(): string {
    return join(this.#options.directory, 'console.log');
  }

  /** A channel from the machine, before the start: `port NAME` of guest/start writes to it. */
  async listen(name: string, take: (chunk: Buffer) => void): Promise<void> {
    const path = join(this.#options.directory, name);
    const server = createServer((socket: Socket) => {
      const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
      this.#channels.push(closed);
      socket.on('data', take);
    });
    this.#servers.push(server);
    await new Promise<void>((listening) => server.listen(path, listening));
    const device = `virtserialport,chardev=${name},name=gantry.${name}`;
    this.#args.push('-chardev', `socket,id=${name},path=${path}`, '-device', device);
  }

  /** Runs it until it switches itself off, or for `timeoutMs`; false: it had to be stopped. */
  async run(timeoutMs: number): Promise<boolean> {
    // With us it dies, whatever we die of.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...this.#args], {
      stdio: [this.#options.shell ? 'inherit' : 'ignore', 'inherit', 'inherit'],
    });
    this.#process = child;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.stop();
    }, timeoutMs);
    try {
      await new Promise<void>((resolve, reject) => {
        child.on('error', reject);
        child.on('exit', () => resolve());
      });
      // What it said last may still be on its way.
      await Promise.all(this.#channels);
    } finally {
      clearTimeout(timer);
      for (const server of this.#servers) server.close();
    }
    return !late;
  }

  stop(): void {
    this.#process?.kill('SIGKILL');
  }
}
