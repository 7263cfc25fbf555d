import * as http2 from 'node:http2';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Served, serve } from './testing/served.ts';

/** The server listens on 127.0.0.1; this one comes later, as a virtual address does. */
const LATER = '127.0.0.2';

let api: Served;
beforeAll(async () => {
  api = await serve();
});
afterAll(() => api?.stop());

const session = (host: string) => http2.connect(`https://${host}:${api.port}`, { rejectUnauthorized: false });
const closed = (over: http2.ClientHttp2Session) => new Promise((resolve) => over.once('close', resolve));
const status = (over: http2.ClientHttp2Session) =>
  new Promise((resolve, reject) => {
    const stream = over.request({ ':path': '/readyz' });
    stream.once('response', (headers) => resolve(headers[':status']));
    stream.once('error', reject).resume();
  });

test('an address that comes is listened on, and what was connected there ends when it goes', async () => {
  await api.server.listen({ host: LATER, port: api.port });
  await api.server.listen({ host: LATER, port: api.port });
  expect(api.server.addresses.map(({ host }) => host)).toEqual(['127.0.0.1', LATER]);
  const [stays, goes] = [session('127.0.0.1'), session(LATER)];
  expect([await status(stays), await status(goes)]).toEqual([200, 200]);
  const http1 = connect({ host: LATER, port: api.port, rejectUnauthorized: false });
  http1.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => http1.once('data', resolve));
  const gone = [closed(goes), new Promise((resolve) => http1.once('close', resolve).resume())];
  await api.server.leave(LATER);
  await Promise.all(gone);
  expect(await status(stays)).toBe(200);
  stays.destroy();
  // It has come back.
  const again = session(LATER);
  expect(await status(again)).toBe(200);
  again.destroy();
});
