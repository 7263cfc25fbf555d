import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Ran } from './run.ts';

const LOOK_EVERY_MS = 200;
/** After this somebody is asked again whether he is there: what was asked before the machine was up is lost. */
const THERE_MS = 5_000;
const THERE_TRIES = 12;
/** Whoever is there may be slow, but answers. */
const ANSWER_MS = 60_000;

interface Answer {
  return?: unknown;
  error?: { desc: string };
}

interface Status {
  exited: boolean;
  exitcode?: number;
  signal?: number;
  'out-data'?: string;
  'err-data'?: string;
}

/**
 * Runs commands in a virtual machine through Debian's qemu-guest-agent: no network of the machine's is needed for it. One at a time.
 * Source: QEMU documentation, "QEMU Guest Agent Protocol Reference".
 */
export class GuestAgent {
  readonly #socket: Socket;
  #heard = '';
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      this.#heard += text;
    });
    // A machine that is gone answers nothing: who waits for it says so.
    socket.on('error', () => {});
  }

  static open(path: string): Promise<GuestAgent> {
    return new Promise((resolve, reject) => {
      const socket = connect(path, () => resolve(new GuestAgent(socket)));
      socket.once('error', reject);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Whether somebody is there that answers. */
  async isUp(): Promise<boolean> {
    return await this.#inTurn(async () => (await this.#sync()) !== undefined);
  }

  /** Runs a script of sh to its end. Throws when the machine does not answer, or when it takes longer than `timeoutMs`. */
  async run(script: string, timeoutMs: number): Promise<Ran> {
    return await this.#inTurn(async () => {
      const end = Date.now() + timeoutMs;
      for (let tries = 1; (await this.#sync()) === undefined; tries++)
        if (tries === THERE_TRIES) throw new Error('the machine does not answer');
      const args = { path: '/bin/sh', arg: ['-c', script], 'capture-output': true };
      const started = await this.#ask<{ pid: number }>('guest-exec', args);
      if (!started) throw new Error(`the machine has not started: ${script}`);
      while (Date.now() < end) {
        const status = await this.#ask<Status>('guest-exec-status', { pid: started.pid });
        if (!status) throw new Error(`the machine no longer answers, during: ${script}`);
        if (status.exited) return ranOf(status);
        await pause(LOOK_EVERY_MS);
      }
      throw new Error(`not within ${timeoutMs} ms: ${script}`);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  /** Answers to earlier questions, and the rest of one that was cut off, are over once this is answered. */
  async #sync(): Promise<number | undefined> {
    const id = Math.floor(Date.now() % 2 ** 31);
    this.#socket.write(`${JSON.stringify({ execute: 'guest-sync', arguments: { id } })}\n`);
    return await this.#answer(({ return: value }) => (value === id ? id : undefined), THERE_MS);
  }

  async #ask<T>(command: string, args: Record<string, unknown>): Promise<T | undefined> {
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    return await this.#answer(({ return: value, error }) => {
      if (error) throw new Error(`the machine’s agent: ${error.desc}`);
      return value as T;
    }, ANSWER_MS);
  }

  /** The first line for which `take` gives something; undefined when none comes in time. */
  async #answer<T>(take: (answer: Answer) => T | undefined, timeoutMs: number): Promise<T | undefined> {
    const end = Date.now() + timeoutMs;
    while (Date.now() < end) {
      for (let at = this.#heard.indexOf('\n'); at >= 0; at = this.#heard.indexOf('\n')) {
        const line = this.#heard.slice(0, at);
        this.#heard = this.#heard.slice(at + 1);
        const taken = take(JSON.parse(line) as Answer);
        if (taken !== undefined) return taken;
      }
      await pause(10);
    }
    return undefined;
  }
}

/** Source: the same, guest-exec-status. */
function ranOf(status: Status): Ran {
  const text = (data: string | undefined) => Buffer.from(data ?? '', 'base64').toString();
  return {
    code: status.exitcode ?? 128 + (status.signal ?? 0),
    stdout: text(status['out-data']),
    stderr: text(status['err-data']),
  };
}
