import type { ChildProcess } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Emulated, emulation, startQemu } from './qemu.ts';

/** What to boot. */
export interface MachineOptions extends Omit<Emulated, 'consoleLog'> {
  /** For its sockets and its console log. */
  directory: string;
  /** Standard input and output become its console /dev/hvc0. */
  shell: boolean;
}

/** One virtual machine: QEMU's emulation of a PC, without any help of the host's processor. */
export class Machine {
  readonly #options: MachineOptions;
  readonly #servers: Server[] = [];
  readonly #channels: Promise<void>[] = [];
  readonly #args: string[];
  #process: ChildProcess | undefined;

  constructor(options: MachineOptions) {
    this.#options = options;
    this.#args = ['-no-reboot', ...emulation({ ...options, consoleLog: this.consoleLog })];
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
    const child = startQemu(this.#args, { stdin: this.#options.shell ? 'inherit' : 'ignore' });
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
