/** How a server stops, over TLS on loopback and on a clock that stands still. */
import { once } from 'node:events';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { callsTo } from './fake/server.ts';
import { Gate } from './testing/gate.ts';
import { http1To, http2To, nextReply, replyOf } from './testing/https-clients.ts';
import { type Served, serve } from './testing/served.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const DELAY_MS = 20_000;
const GRACE_MS = 3_000;

let clock: VirtualClock;
let gate: Gate;
let served: Served;
let admin: KeyAndCertificate;

beforeEach(async () => {
  clock = new VirtualClock();
  gate = new Gate('held');
  const shutdown = { delayMs: DELAY_MS, graceMs: GRACE_MS };
  served = await serve({ clock, admission: [gate], operation: { shutdown } });
  admin = await served.client('admin', ['system:masters']);
});
afterEach(async () => {
  gate.open();
  const stopped = served.stop();
  await clock.advance(DELAY_MS + GRACE_MS);
  await stopped;
});

const create = (name: string) => {
  const stream = http2To(served, admin).request({
    ':method': 'POST',
    ':path': MAPS,
    'content-type': 'application/json',
  });
  stream.end(JSON.stringify({ metadata: { name } }));
  return replyOf(stream);
};

it('fails /readyz first, and answers everything until the delay is over', async () => {
  const stopped = served.server.stop();
  const call = callsTo(served.server);
  const { status, body } = await call('GET', '/readyz?verbose');
  expect([status, body]).toEqual([
    500,
    expect.stringContaining('[-]shutdown failed: process is shutting down'),
  ]);
  expect((await call('GET', '/livez')).status).toBe(200);
  expect((await create('late')).status).toBe(201);
  await clock.advance(DELAY_MS - 1);
  expect((await create('later')).status).toBe(201);
  await clock.advance(1);
  await stopped;
});

it('then refuses new requests with 503 and Connection: close, but tells health and metrics', async () => {
  const held = create('held');
  await gate.reached;
  const socket = await http1To(served, admin);
  const get = (path: string) => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return nextReply(socket);
  };
  expect((await get(MAPS)).status).toBe(200);
  const stopped = served.server.stop();
  await clock.advance(DELAY_MS);
  expect((await get('/metrics')).text).toContain('apiserver_request_total');
  const closed = once(socket, 'close');
  const refused = await get(MAPS);
  expect(refused.status).toBe(503);
  expect(refused.headers).toMatchObject({ 'retry-after': '5', connection: 'close' });
  expect(JSON.parse(refused.text)).toMatchObject({
    reason: 'ServiceUnavailable',
    message: 'The apiserver is shutting down, please try again later.',
    details: { retryAfterSeconds: 5 },
  });
  await closed;
  gate.open();
  expect((await held).status).toBe(201);
  await stopped;
});

it('ends watches as if their time were over, and tells HTTP/2 clients to go elsewhere', async () => {
  const session = http2To(served, admin);
  const watch = session.request({ ':path': `${MAPS}?watch=1` });
  await once(watch, 'response');
  const events: string[] = [];
  watch.setEncoding('utf8').on('data', (part) => events.push(String(part)));
  const seen = once(watch, 'data');
  await create('seen');
  await seen;
  const goaway = once(session, 'goaway');
  const ended = once(watch, 'end');
  const stopped = served.server.stop();
  await clock.advance(DELAY_MS);
  await ended;
  expect(watch.rstCode).toBe(0);
  expect(JSON.parse(events.join(''))).toMatchObject({
    type: 'ADDED',
    object: { metadata: { name: 'seen' } },
  });
  await goaway;
  await stopped;
});

it('waits for what was begun, and no longer than its time', async () => {
  const held = create('held');
  held.catch(() => undefined);
  await gate.reached;
  let isStopped = false;
  const stopped = served.server.stop().then(() => {
    isStopped = true;
  });
  await clock.advance(DELAY_MS + GRACE_MS - 1);
  expect(isStopped).toBe(false);
  await clock.advance(1);
  // Then the connections are closed, whether they have been answered or not.
  while (!isStopped) {
    await clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await stopped;
  await expect(held).rejects.toThrow();
});
