import { duplexPair } from 'node:stream';
import { expect, test } from 'vitest';
import { systemClock } from '../clock.ts';
import { type Random, seededRandom } from '../random.ts';
import { callTunnel } from './tunnel.ts';

/** RFC 9113, section 4.1. */
function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK without indexing or Huffman codes (RFC 7541, section 6.2.2). */
function field(name: string, value: string): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.of(value.length), Buffer.from(value, 'latin1')]);
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

const HEADS = [
  field(':status', '200'),
  Buffer.concat([field(':status', '502'), field('gantry-error', '%')]),
  Buffer.concat([field(':status', '502'), field('gantry-error', 'a'), field('gantry-error', '%zz')]),
  field(':status', '103'),
  field(':status', 'x'),
  Buffer.concat([field('x', 'y'), field(':status', '200')]),
  Buffer.of(0x3f, 0xff, 0xff, 0xff, 0xff),
];

/** Mostly what could follow a request of the only stream, 1, and now and then any bytes at all. */
function nextFrame(random: Random): Buffer {
  const below = (count: number) => Math.floor(random.next() * count);
  const bytes = (count: number) => Buffer.from(Array.from({ length: count }, () => below(256)));
  const stream = below(4) === 0 ? below(6) : 1;
  switch (below(8)) {
    case 0:
    case 1:
      return frame(1, below(3) === 0 ? 5 : 4, stream, HEADS[below(HEADS.length)]!);
    case 2:
      return frame(0, below(2), stream, bytes(below(64)));
    case 3:
      return frame(3, 0, stream, Buffer.of(0, 0, 0, below(14)));
    case 4:
      return frame(8, 0, below(2), bytes(4));
    case 5:
      return frame(4, 0, 0, bytes(6 * below(3)));
    case 6:
      return frame(7, 0, 0, Buffer.concat([bytes(8), Buffer.from('bye')]));
    default:
      return frame(below(12), below(256), stream, bytes(below(32)));
  }
}

/** Whoever has a node's key speaks the other end of its tunnel. What it says may end the tunnel, and nothing else (vitest fails on strays). */
test('frames of any kind end a stream or the tunnel, at most', async () => {
  for (let seed = 0; seed < 1_000; seed += 1) {
    const random = seededRandom(seed);
    const [ours, theirs] = duplexPair();
    theirs.on('error', () => {}).resume();
    theirs.write(frame(4, 0, 0, Buffer.of()));
    const tunnel = callTunnel(ours, 'interactive', systemClock);
    const opened = tunnel.open({ kind: 'agent' }).then(
      (stream) => stream.on('error', () => {}).resume(),
      (error: Error) => error,
    );
    for (let count = 0; count < 8; count += 1) {
      theirs.write(nextFrame(random));
      await new Promise((resolve) => setImmediate(resolve));
    }
    theirs.destroy();
    ours.destroy();
    await tunnel.closed;
    expect(await opened, `seed ${seed}`).toBeDefined();
  }
});
