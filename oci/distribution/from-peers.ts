import type { ContentStore } from '../content/store.ts';
import { type BlobPeer, type BlobRef, ImageError, type Peers } from '../contract.ts';

/** Beginnings anew, after which the blob is not to be had of peers. */
const MAX_ROUNDS = 16;

export interface PeerFetchOptions {
  peers: Peers;
  content: Pick<ContentStore, 'write'>;
  /** Told of each piece; of a negative number when what came is of no use. */
  onReceived(bytes: number, peer: string): void;
  signal: AbortSignal;
}

/**
 * Takes the blob from other nodes. Where one breaks off, the next one goes on from there; when all of it turns out to be
 * something else and more than one peer had a part in it, it begins anew, each peer alone, so that the one to blame is found.
 * False: no peer could give it, and nothing of it stays.
 */
export async function fetchFromPeers(blob: BlobRef, options: PeerFetchOptions): Promise<boolean> {
  const { peers, content, onReceived, signal } = options;
  let together = true;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const relay = new Relay(blob, peers, together, signal);
    const took = new Map<string, number>();
    try {
      await content.write(relay, blob, (bytes) => {
        took.set(relay.current, (took.get(relay.current) ?? 0) + bytes);
        onReceived(bytes, relay.current);
      });
      return true;
    } catch (error) {
      for (const [peer, bytes] of took) onReceived(-bytes, peer);
      if (signal.aborted) throw signal.reason;
      if (error instanceof NobodyLeft) return false;
      if (error instanceof BrokenOff) continue;
      if (!(error instanceof ImageError && error.code === 'DigestMismatch')) throw error;
      const [suspect, ...others] = relay.gave;
      if (suspect !== undefined && others.length === 0) peers.blame(suspect, blob.digest);
      else together = false;
    }
  }
  return false;
}

class NobodyLeft extends Error {}
/** A peer that was asked alone has gone; it is one less to ask. */
class BrokenOff extends Error {}

/** The bytes of a blob, of one peer after another. */
class Relay implements AsyncIterable<Uint8Array> {
  /** Who gives now. */
  current = '';
  /** Who gave any of it. */
  readonly gave = new Set<string>();
  readonly #blob: BlobRef;
  readonly #peers: Peers;
  readonly #together: boolean;
  readonly #signal: AbortSignal;
  #offset = 0;

  constructor(blob: BlobRef, peers: Peers, together: boolean, signal: AbortSignal) {
    this.#blob = blob;
    this.#peers = peers;
    this.#together = together;
    this.#signal = signal;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const peer of this.#peers.holders(this.#blob, this.#signal)) {
      this.#signal.throwIfAborted();
      this.current = peer.name;
      yield* this.#piecesOf(peer);
      if (this.#offset >= this.#blob.size) return;
      if (!this.#together && this.#offset > 0) throw new BrokenOff();
    }
    this.#signal.throwIfAborted();
    throw new NobodyLeft();
  }

  /** Ends where the peer does: the next one goes on from there. Why it did is for `Peers` to tell. */
  async *#piecesOf(peer: BlobPeer): AsyncGenerator<Uint8Array> {
    const pieces = await peer.open(this.#offset, this.#signal).catch(() => undefined);
    const each = pieces?.[Symbol.asyncIterator]();
    if (!each) return;
    try {
      for (;;) {
        const next = await each.next().catch(() => undefined);
        if (!next || next.done) return;
        this.gave.add(peer.name);
        this.#offset += next.value.length;
        yield next.value;
      }
    } finally {
      await each.return?.()?.catch(() => undefined);
    }
  }
}
