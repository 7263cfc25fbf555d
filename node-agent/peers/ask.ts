import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';
import type { Transport } from '#machinery/transport.ts';
import type { BlobPeer, BlobRef, Peers } from '#oci/contract.ts';
import { atPace, type Pace } from './pace.ts';
import { BUSY_HEADER, blobPath } from './protocol.ts';

/** A node that serves others. */
export interface PeerNode {
  name: string;
  /** Names of images that it says it has: it is asked first for what is of one of them. */
  images: ReadonlySet<string>;
}

export interface AskOptions {
  /** The other nodes as they are now. */
  nodes(): readonly PeerNode[];
  /** The way to that node and no other. */
  open(node: string): Transport;
  clock: Clock;
  random: Random;
  log: Logger;
  pace?: Pace;
}

/** HEADs at once. */
const ASKED_AT_ONCE = 8;
/** Nodes asked for one blob: in a larger cluster those that say they have the image are among them. */
const MAX_ASKED = 64;
const ANSWER_WITHIN_MS = 3_000;
/** Slower than a modem: a node that is on its way out. */
const PACE: Pace = { windowMs: 10_000, minBytes: 160 * 1024 };
/** All that have the blob are busy: their takers are on the way to give it on. */
const BUSY_WAIT_MS = { from: 200, to: 1_000 };
/** How long a node that failed is passed over, and one that lied. */
const FAILED_MS = 10_000;
const LIED_MS = 10 * 60_000;
/** Who has more patience than this asks those that failed again, for so long: a node under load may be late, and the only one. */
const FAILED_PATIENCE_MS = 45_000;

/** Asks other nodes for blobs, a few at a time, each for what it has; remembers who is of no use for now. */
export class PeerAsker {
  readonly #options: AskOptions;
  readonly #avoidedUntil = new Map<string, number>();
  /** Of those, who may be well again soon. */
  readonly #failing = new Set<string>();

  constructor(options: AskOptions) {
    this.#options = options;
  }

  /** For an image of one of these names. Nodes that are busy are waited for as long as there is patience. */
  peersFor(names: readonly string[], patienceMs: number): Peers {
    return {
      holders: (blob, signal) => this.#holders(blob, { names, patienceMs }, signal),
      blame: (peer, digest) => this.#blame(peer, digest),
    };
  }

  /** The others that have the blob now, whether they are busy or not. */
  async whoHas(blob: BlobRef, signal: AbortSignal): Promise<string[]> {
    const found: string[] = [];
    for await (const { name, answer } of this.#ask(blob, this.#inOrder([]), signal))
      if (answer !== 'no') found.push(name);
    return found;
  }

  async *#holders(
    blob: BlobRef,
    { names, patienceMs }: { names: readonly string[]; patienceMs: number },
    signal: AbortSignal,
  ): AsyncGenerator<BlobPeer> {
    const { clock, random } = this.#options;
    const began = clock.monotonic();
    const over = new Set<string>();
    for (;;) {
      let busy = false;
      const left = this.#inOrder(names).filter((name) => !over.has(name));
      for await (const { name, answer } of this.#ask(blob, left, signal)) {
        busy ||= answer === 'busy';
        if (answer === 'no' && !this.#failing.has(name)) over.add(name);
        if (answer !== 'yes') continue;
        const asked = { refused: false };
        yield { name, open: (offset) => this.#read({ name, blob, offset, asked }, signal) };
        // Others came first: it is asked again.
        if (asked.refused) busy = true;
        else if (!this.#failing.has(name)) over.add(name);
      }
      const waitedMs = clock.monotonic() - began;
      const patient = patienceMs > FAILED_PATIENCE_MS && waitedMs < FAILED_PATIENCE_MS;
      const failed = [...this.#failing].some((name) => !over.has(name));
      if (!(busy && waitedMs <= patienceMs) && !(failed && patient)) return;
      const { from, to } = BUSY_WAIT_MS;
      await sleep(clock, from + random.next() * (to - from), signal);
    }
  }

  /** Those that say they have the image first, else in an order of chance: nobody is everybody's first. */
  #inOrder(names: readonly string[]): string[] {
    const { nodes, clock, random } = this.#options;
    const now = clock.monotonic();
    for (const [name, until] of this.#avoidedUntil) {
      if (until > now) continue;
      this.#avoidedUntil.delete(name);
      this.#failing.delete(name);
    }
    return nodes()
      .filter(({ name }) => !this.#avoidedUntil.has(name))
      .map(({ name, images }) => ({
        name,
        rank: (names.some((each) => images.has(each)) ? 0 : 1) + random.next(),
      }))
      .sort((a, b) => a.rank - b.rank)
      .slice(0, MAX_ASKED)
      .map(({ name }) => name);
  }

  /** Answers as they come, of a few nodes at a time. */
  async *#ask(blob: BlobRef, names: readonly string[], signal: AbortSignal): AsyncGenerator<Answered> {
    const left = [...names];
    const running = new Map<string, Promise<Answered>>();
    const next = () => {
      const name = left.shift();
      if (name !== undefined) running.set(name, this.#askOne(name, blob, signal));
    };
    for (let i = 0; i < ASKED_AT_ONCE; i++) next();
    while (running.size > 0) {
      const answered = await Promise.race(running.values());
      signal.throwIfAborted();
      running.delete(answered.name);
      next();
      yield answered;
    }
  }

  async #askOne(name: string, { digest, size }: BlobRef, signal: AbortSignal): Promise<Answered> {
    const late = new AbortController();
    const timer = this.#options.clock.timer(ANSWER_WITHIN_MS, () => late.abort());
    try {
      const { status, headers } = await this.#options.open(name).request({
        ...{ method: 'HEAD', path: blobPath(digest, 0), headers: {} },
        signal: AbortSignal.any([signal, late.signal]),
      });
      if (status !== 200 || headers['content-length'] !== String(size)) return { name, answer: 'no' };
      return { name, answer: headers[BUSY_HEADER] ? 'busy' : 'yes' };
    } catch (error) {
      if (!signal.aborted) this.#failed(name, error);
      return { name, answer: 'no' };
    } finally {
      timer.cancel();
    }
  }

  async #read(
    { name, blob, offset, asked }: Reading,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const end = new AbortController();
    try {
      const path = blobPath(blob.digest, offset);
      const until = AbortSignal.any([signal, end.signal]);
      const { status, body } = await this.#options
        .open(name)
        .request({ method: 'GET', path, headers: {}, signal: until });
      asked.refused = status === 503;
      if (status !== 200) throw new Error(`${name} answered ${status}`);
      return this.#paced(name, body as AsyncIterable<Uint8Array>, end, signal);
    } catch (error) {
      end.abort();
      throw error;
    }
  }

  async *#paced(
    name: string,
    body: AsyncIterable<Uint8Array>,
    end: AbortController,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const { clock, pace = PACE } = this.#options;
    try {
      yield* atPace(body, pace, clock);
    } catch (error) {
      if (!signal.aborted) this.#failed(name, error);
      throw error;
    } finally {
      end.abort();
    }
  }

  #failed(name: string, error: unknown): void {
    const { clock, log } = this.#options;
    log.info('Another node does not give parts of images', { node: name, error: messageOf(error) });
    this.#avoidedUntil.set(name, clock.monotonic() + FAILED_MS);
    this.#failing.add(name);
  }

  #blame(name: string, digest: string): void {
    const { clock, log } = this.#options;
    log.warn('Another node gave something else than was asked of it', { node: name, digest });
    this.#avoidedUntil.set(name, clock.monotonic() + LIED_MS);
    this.#failing.delete(name);
  }
}

interface Reading {
  name: string;
  blob: BlobRef;
  offset: number;
  /** Whether it turned out to be busy. */
  asked: { refused: boolean };
}

interface Answered {
  name: string;
  answer: 'yes' | 'busy' | 'no';
}
