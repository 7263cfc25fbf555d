import { expect, test } from 'vitest';
import { exchange, perform, type Request } from './connection.ts';
import { isErrno } from './errors.ts';
import { Attributes, encodeMessage, listAttributes, parseAttributes, parseMessages, textOf } from './wire.ts';

const ask = (what: string): Request => ({
  what,
  encode: (sequence) => encodeMessage(16, 4, sequence, Buffer.alloc(16)),
});

/** nlmsgerr for the message with this number. */
function refusal(sequence: number, errno: number): Buffer {
  const body = Buffer.alloc(20);
  body.writeInt32LE(-errno, 0);
  return encodeMessage(2, 0, sequence, body);
}

test('attributes are padded to four bytes and read back', () => {
  const attributes = new Attributes()
    .text(3, 'eth0')
    .u8(4, 7)
    .u16(5, 500)
    .be32(6, 1)
    .nest(7, new Attributes().u32(1, 9));
  const bytes = attributes.encode();
  expect(bytes.length % 4).toBe(0);
  const read = parseAttributes(bytes);
  expect(textOf(read.get(3))).toBe('eth0');
  expect([read.get(4)?.[0], read.get(5)?.readUInt16LE(0), read.get(6)?.readUInt32BE(0)]).toEqual([7, 500, 1]);
  expect(parseAttributes(read.get(7)!).get(1)?.readUInt32LE(0)).toBe(9);
});

test('a list larger than the first buffer is whole', () => {
  const attributes = new Attributes();
  for (let i = 0; i < 1000; i++) attributes.u32(1, i);
  const read = listAttributes(attributes.encode());
  expect(read.map(([, value]) => value.readUInt32LE(0))).toEqual(Array.from({ length: 1000 }, (_, i) => i));
});

test('a reply that is cut off is an error, not half an answer', () => {
  const message = encodeMessage(16, 0, 1, Buffer.alloc(16));
  expect(parseMessages(message)).toHaveLength(1);
  expect(() => parseMessages(message.subarray(0, 20))).toThrow('runs past the end');
});

test('each request gets its own answer, refusals by name', async () => {
  const netlink = {
    async exchange({ request }: { request: Uint8Array }) {
      const [first, second] = parseMessages(request);
      const stale = refusal(first!.sequence - 1, 1);
      return Buffer.concat([stale, refusal(second!.sequence, 17), refusal(first!.sequence, 0)]);
    },
  };
  const answers = await exchange(netlink, 0, [ask('make one'), ask('make another')]);
  expect(answers[0]?.error).toBeUndefined();
  expect(answers[1]?.error).toMatchObject({ errno: 'EEXIST', index: 1, message: 'make another: EEXIST' });
  const thrown = await perform(netlink, 0, [ask('make one'), ask('make another')]).catch((error) => error);
  expect(isErrno(thrown, 'EEXIST')).toBe(true);
});
