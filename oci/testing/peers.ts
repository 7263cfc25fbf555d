import {
  type BlobPeer,
  type BlobRef,
  type Digest,
  ImageError,
  type Peers,
  type SharedContent,
} from '../contract.ts';

/** Something that is wrong with a peer: called with the bytes it would give, it gives others. */
export type Fault = (bytes: Uint8Array, offset: number) => AsyncIterable<Uint8Array>;

/** Other nodes in memory, each with content of its own and, at will, a fault. Those that broke off are not asked again. */
export class TestPeers implements Peers {
  /** `NAME DIGEST OFFSET` of each time that somebody was asked for bytes. */
  readonly asked: string[] = [];
  readonly blamed: string[] = [];
  readonly #nodes = new Map<string, { content: SharedContent; fault: Fault | undefined }>();
  readonly #gone = new Set<string>();

  /** In the order in which they are to be asked. */
  add(name: string, content: SharedContent, fault?: Fault): void {
    this.#nodes.set(name, { content, fault });
  }

  async *holders(blob: BlobRef): AsyncIterable<BlobPeer> {
    for (const [name, { content, fault }] of this.#nodes) {
      if (this.blamed.includes(name) || this.#gone.has(name)) continue;
      const found = await content.openShared(blob.digest, 0);
      if (found) yield { name, open: (offset) => this.#open(name, blob, offset, content, fault) };
    }
  }

  blame(peer: string): void {
    this.blamed.push(peer);
  }

  async #open(name: string, { digest }: BlobRef, offset: number, content: SharedContent, fault?: Fault) {
    this.asked.push(`${name} ${digest} ${offset}`);
    const found = await content.openShared(digest, offset);
    if (!found) throw new ImageError('NotFound', `${name} has no ${digest}`);
    if (!fault) return found.bytes();
    const chunks: Uint8Array[] = [];
    for await (const chunk of found.bytes()) chunks.push(chunk);
    const faulty = fault(Buffer.concat(chunks), offset);
    return this.#noting(name, faulty);
  }

  async *#noting(name: string, bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    try {
      yield* bytes;
    } catch (error) {
      this.#gone.add(name);
      throw error;
    }
  }
}

/** Gives half of what it has, and breaks off. */
export const breaksOff: Fault = async function* (bytes) {
  yield bytes.subarray(0, Math.ceil(bytes.length / 2));
  throw new Error('the peer has died');
};

/** Gives as many bytes, but others. */
export const tampers: Fault = async function* (bytes) {
  yield Uint8Array.from(bytes, (byte) => byte ^ 0xff);
};

/** Gives the blob and goes on. */
export const neverEnds: Fault = async function* (bytes) {
  for (;;) yield bytes;
};

/** Content in memory: of blobs, and for whoever asks. */
export function contentOf(blobs: ReadonlyMap<Digest, Uint8Array>): SharedContent {
  return {
    async openShared(digest, offset) {
      const bytes = blobs.get(digest);
      if (!bytes) return undefined;
      return {
        size: bytes.length,
        bytes: async function* () {
          yield bytes.subarray(offset);
        },
      };
    },
  };
}
