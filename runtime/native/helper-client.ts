import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { RuntimeError } from '../contract.ts';
import { Peer, Refusal } from './peer.ts';
import { OP, Payload, TAG } from './protocol.ts';
import { withSocketPath } from './sockets.ts';

export interface HelperOptions {
  clock: Clock;
  /** Directory of sockets and lock, made with mode 0700; one helper serves it. */
  runDirectory: string;
  /** Directory of the programs built by runtime/helper/Makefile. */
  binDirectory: string;
  /** Starts none where none runs: for who is not in charge of the node, and may be of another version than who is. */
  joinsOnly?: boolean;
}

export interface NetlinkExchange {
  /** Path of a network namespace (`/proc/<pid>/ns/net`); left out = the one the helper was started in. */
  networkNamespace?: string;
  /** NETLINK_ROUTE = 0, NETLINK_NETFILTER = 12, ... */
  protocol: number;
  /** Whole netlink messages, one or many. */
  request: Uint8Array;
  /** They may be done twice: the next helper is asked when one dies over them. */
  repeatable?: boolean;
}

/** How long to wait for a helper that is just starting or going: attempts and the pause between them. */
const START_ATTEMPTS = 100;
const JOIN_ATTEMPTS = 25;
const BUSY_PAUSE_MS = 20;
const START_TIMEOUT_MS = 10_000;
const INSIST_ATTEMPTS = 3;
/** Exit code of a helper that found another one serving the directory. */
const ALREADY_RUNNING = 3;

/**
 * A connection to the node's helper. Adopts one that runs, starts one when none does, and does so again when
 * it dies. The helper outlives this process.
 */
export class HelperClient {
  readonly #options: HelperOptions;
  #peer: Promise<Peer> | undefined;
  #stopped = false;
  /** Called after each connection but the first: a new helper may serve, which knows nothing yet. */
  onReconnect: () => void = () => {};
  #connections = 0;

  constructor(options: HelperOptions) {
    this.#options = options;
  }

  /**
   * Version and pid of the helper, and its descriptor of the monitor's program (an old one does not say). Rejects with
   * RuntimeError Unavailable when it cannot be started.
   */
  async hello(): Promise<{ version: string; pid: number; program: number | undefined }> {
    const fields = await this.insist(OP.HELLO);
    const program = fields.has(TAG.PROGRAM) ? fields.number(TAG.PROGRAM) : undefined;
    return { version: fields.text(TAG.VERSION), pid: fields.number(TAG.PID), program };
  }

  /** Ends the helper and starts the one that is installed; what it watched over is adopted anew (`onReconnect`). */
  async replace(): Promise<void> {
    const { pid } = await this.hello();
    await this.request(OP.SHUTDOWN);
    for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
      // A question may still reach the one that goes, and be lost with it.
      const now = await this.hello().catch(() => undefined);
      if (now && now.pid !== pid) return;
      await sleep(this.#options.clock, BUSY_PAUSE_MS);
    }
    throw new RuntimeError('Unavailable', `helper ${pid} does not end`);
  }

  /**
   * Sends raw netlink messages and returns everything the kernel answers, up to the end of the last answer: the ACK or
   * error of each message that asked for one, whole dumps. The kernel's own refusals (NLMSG_ERROR) are part of the
   * answer; a RuntimeError (step `netlink request`, `enter network namespace`, ...) says the exchange did not happen.
   */
  async exchange(exchange: NetlinkExchange): Promise<Uint8Array> {
    const payload = new Payload().number(TAG.PROTOCOL, exchange.protocol).bytes(TAG.DATA, exchange.request);
    if (exchange.networkNamespace) payload.text(TAG.PATH, exchange.networkNamespace);
    const answer = await (exchange.repeatable
      ? this.insist(OP.NETLINK, payload)
      : this.request(OP.NETLINK, payload));
    return answer.bytes(TAG.DATA) ?? new Uint8Array();
  }

  /** Sends a whole Ethernet frame, perhaps twice, out of the link with that index, in the helper's own network namespace. */
  async transmit(link: number, frame: Uint8Array): Promise<void> {
    await this.insist(OP.TRANSMIT, new Payload().number(TAG.LINK, link).bytes(TAG.DATA, frame));
  }

  /** One request to the helper; Refusals come as RuntimeError Kernel. */
  async request(op: number, payload?: Payload) {
    const peer = await this.#connected();
    try {
      return await peer.request(op, payload);
    } catch (error) {
      throw error instanceof Refusal ? error.toRuntimeError() : error;
    }
  }

  /** A request that may be done twice: asked again of the next helper when one dies over it. */
  async insist(op: number, payload?: Payload) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.request(op, payload);
      } catch (error) {
        const gone = error instanceof RuntimeError && error.code === 'Unavailable';
        if (!gone || this.#stopped || attempt === INSIST_ATTEMPTS) throw error;
      }
    }
  }

  /** Lets go of the helper, which runs on. */
  async close(): Promise<void> {
    this.#stopped = true;
    const peer = await this.#peer?.catch(() => undefined);
    peer?.close();
  }

  /** Ends the helper itself: only when the whole instance is taken down. */
  async shutdown(): Promise<void> {
    this.#stopped = true;
    const peer = await (this.#peer ?? this.#find()).catch(() => undefined);
    // It may go between the question and the answer: that is what was wanted.
    await peer?.request(OP.SHUTDOWN).catch(() => undefined);
    peer?.close();
  }

  #connected(): Promise<Peer> {
    if (this.#stopped) return Promise.reject(new RuntimeError('Unavailable', 'the helper client is closed'));
    this.#peer ??= this.#open();
    return this.#peer;
  }

  async #open(): Promise<Peer> {
    try {
      const peer = await this.#findOrStart();
      peer.onClose = () => {
        this.#peer = undefined;
        // Reconnects at once: the helper's duties (reaping, killing what a dead monitor leaves) must not wait for a call.
        if (!this.#stopped) this.#connected().catch(() => {});
      };
      if (this.#connections++ > 0) this.onReconnect();
      return peer;
    } catch (error) {
      this.#peer = undefined;
      throw error;
    }
  }

  async #findOrStart(): Promise<Peer> {
    let problem: unknown;
    const { joinsOnly } = this.#options;
    for (let attempt = 0; attempt < (joinsOnly ? JOIN_ATTEMPTS : START_ATTEMPTS); attempt++) {
      try {
        return await this.#find();
      } catch (error) {
        problem = error;
      }
      // One that has taken the lock but does not listen yet, or no longer: in a moment it will be clear.
      if (joinsOnly || (await this.#start()) === 'busy') await sleep(this.#options.clock, BUSY_PAUSE_MS);
    }
    throw new RuntimeError('Unavailable', `the helper cannot be reached: ${messageOf(problem)}`);
  }

  #find(): Promise<Peer> {
    return withSocketPath(this.#options.runDirectory, 'helper.sock', async (path) => {
      return (await Peer.connect(path, this.#options.clock)).unref();
    });
  }

  /** Starts a helper in a session of its own and waits until it listens. */
  async #start(): Promise<'started' | 'busy'> {
    const { runDirectory, binDirectory } = this.#options;
    await mkdir(runDirectory, { recursive: true });
    await chmod(runDirectory, 0o700);
    const log = await open(join(runDirectory, 'helper.log'), 'a', 0o600);
    try {
      const child = spawn(join(binDirectory, 'helper'), [runDirectory, join(binDirectory, 'monitor')], {
        detached: true,
        cwd: '/',
        env: {},
        stdio: ['ignore', 'pipe', log.fd],
      });
      const result = await this.#ready(child, binDirectory);
      child.unref();
      return result;
    } finally {
      await log.close();
    }
  }

  #ready(child: ChildProcess, binDirectory: string): Promise<'started' | 'busy'> {
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.timer(START_TIMEOUT_MS, () => {
        child.kill('SIGKILL');
        reject(
          new RuntimeError('Unavailable', `the helper did not become ready within ${START_TIMEOUT_MS} ms`),
        );
      });
      const settle = (finish: () => void) => {
        timer.cancel();
        child.stdout?.destroy();
        finish();
      };
      child.once('error', (error) =>
        settle(() =>
          reject(
            new RuntimeError(
              'Unavailable',
              `${binDirectory}/helper cannot be started (${error.message}): build it with make -C runtime/helper`,
            ),
          ),
        ),
      );
      child.stdout?.once('data', () => settle(() => resolve('started')));
      child.once('exit', (code) => {
        if (code === ALREADY_RUNNING) settle(() => resolve('busy'));
        else {
          settle(() =>
            reject(
              new RuntimeError(
                'Unavailable',
                `the helper ended with code ${code}: see ${this.#options.runDirectory}/helper.log`,
              ),
            ),
          );
        }
      });
    });
  }
}
