import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import type { TransportResponse } from '#machinery/transport.ts';
import { Compressor } from './compress.ts';

const answer = (text: string, variant?: string): TransportResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(text.repeat(200_000)),
  ...(variant !== undefined && { variant }),
});

it('packs what is large, for who asks', async () => {
  const compressor = new Compressor();
  const large = answer('x');
  expect(await compressor.pack(large, undefined)).toBe(large);
  const small = { ...large, body: Buffer.from('x') };
  expect(await compressor.pack(small, 'gzip')).toBe(small);
  const packed = await compressor.pack(large, 'deflate, gzip');
  expect(packed.headers).toEqual({
    'content-type': 'application/json',
    'content-encoding': 'gzip',
    vary: 'Accept-Encoding',
  });
  expect(gunzipSync(packed.body as Buffer)).toEqual(large.body);
});

it('packs a variant once, gives every body back, and forgets what is too much', async () => {
  const compressor = new Compressor();
  let released = 0;
  const list = () => ({ ...answer('x', 'list@1'), release: () => void released++ });
  const [first, second] = await Promise.all([
    compressor.pack(list(), 'gzip'),
    compressor.pack(list(), 'gzip'),
  ]);
  expect(second!.body).toBe(first!.body);
  expect((await compressor.pack(list(), 'gzip')).body).toBe(first!.body);
  expect(released).toBe(3);
  expect((await compressor.pack(answer('x', 'list@2'), 'gzip')).body).not.toBe(first!.body);
  const noise = () =>
    Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)))
      .toString('hex')
      .repeat(40);
  for (let i = 0; i < 8; i++) {
    const body = Buffer.from(noise());
    await compressor.pack({ ...answer('y', `noise@${i}`), body }, 'gzip');
  }
  expect((await compressor.pack(list(), 'gzip')).body).not.toBe(first!.body);
});
