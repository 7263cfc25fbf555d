/** Watchers that stop to read: they are dropped, others are not held up, and they can go on where they were. */
import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { callsTo, watchOf } from '../fake/server.ts';
import { type Served, serve } from '../testing/served.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
/** More than what a connection, a stream and a watcher's queue hold together. */
const EVENTS = 40;
const BIG = 'x'.repeat(1_000_000);

let served: Served;
let admin: KeyAndCertificate;
let session: ClientHttp2Session;

beforeAll(async () => {
  served = await serve();
  admin = await served.client('reader', ['system:masters']);
  session = connect(`https://127.0.0.1:${served.port}`, {
    ca: served.authority.certificate,
    cert: admin.certificate,
    key: admin.key,
  });
});
afterAll(async () => {
  session.destroy();
  await served.stop();
});

/** Writes large ConfigMaps, each when `seen` says that the one before has been. */
async function makeMany(name: string, seen: (count: number) => Promise<unknown> = async () => undefined) {
  const call = callsTo(served.server);
  for (let i = 0; i < EVENTS; i++) {
    await call('POST', MAPS, { metadata: { name: `${name}-${i}`, labels: { by: name } }, data: { BIG } });
    await seen(i + 1);
  }
}

async function firstAfter(version: string): Promise<string> {
  const watch = await watchOf(served.server, `${MAPS}?watch=1&resourceVersion=${version}`);
  const { type, object } = await watch.next();
  watch.stop();
  return `${type} ${object.metadata?.name ?? object.code}`;
}

it('an HTTP/2 stream that is not read breaks off, and the others of its connection go on', async () => {
  const version = (await callsTo(served.server)('GET', MAPS)).body.metadata.resourceVersion;
  const path = `${MAPS}?watch=1&resourceVersion=${version}`;
  const stuck = session.request({ ':path': path });
  await once(stuck, 'response');
  const reading = session.request({ ':path': path });
  await once(reading, 'response');
  let lines = 0;
  reading.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 0x0a) reading.emit('line', ++lines);
  });
  const broken = once(stuck, 'close');
  await makeMany('stream', async (count) => lines < count && once(reading, 'line'));
  await broken;
  expect(stuck.rstCode).toBe(constants.NGHTTP2_CANCEL);
  reading.on('error', () => undefined);
  reading.close(constants.NGHTTP2_CANCEL);
  // Its version is too old for what is kept of so large objects, or not: either answer lets it go on.
  expect(['ADDED stream-0', 'ERROR 410']).toContain(await firstAfter(version));
  const last = String(Number((await callsTo(served.server)('GET', MAPS)).body.metadata.resourceVersion) - 1);
  expect(await firstAfter(last)).toBe(`ADDED stream-${EVENTS - 1}`);
});

it('an HTTP/1.1 connection that is not read is closed', async () => {
  const socket = tlsConnect({
    host: '127.0.0.1',
    port: served.port,
    ca: served.authority.certificate,
    cert: admin.certificate,
    key: admin.key,
    ALPNProtocols: ['http/1.1'],
  });
  await once(socket, 'secureConnect');
  socket.write(`GET ${MAPS}?watch=1&labelSelector=by%3Dsocket HTTP/1.1\r\nhost: x\r\n\r\n`);
  await once(socket, 'readable');
  expect(String(socket.read())).toContain('200 OK');
  socket.pause();
  await makeMany('socket');
  // Reads what the kernel holds, which is less than what was written, and then the end.
  const gone = once(socket, 'close');
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  socket.on('error', () => undefined);
  socket.resume();
  await gone;
  expect(bytes).toBeLessThan((EVENTS - 1) * BIG.length);
});
