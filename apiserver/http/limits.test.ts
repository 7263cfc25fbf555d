/** Slow, greedy and silent clients over TLS on loopback, and how long a request may take. */
import { once } from 'node:events';
import { constants } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { callsTo } from '../fake/server.ts';
import { Gate } from '../testing/gate.ts';
import { http1To, http2To, nextReply, replyOf, untilClosed } from '../testing/https-clients.ts';
import { type Served, serve } from '../testing/served.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const LIMITS = { headMs: 500, idleMs: 1_500, requestMs: 1_000, checkMs: 50 };

let served: Served;
let admin: KeyAndCertificate;
const gate = new Gate('held');

beforeAll(async () => {
  served = await serve({ operation: { http: LIMITS }, admission: [gate] });
  admin = await served.client('admin', ['system:masters']);
});
afterAll(async () => {
  gate.open();
  await served.stop();
});

const held = JSON.stringify({ metadata: { name: 'held' } });
const timeout = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: 'Timeout: request did not complete within the allotted timeout',
  reason: 'Timeout',
  details: {},
  code: 504,
};

describe('?timeout=', () => {
  it('ends a request that takes longer with the Timeout of Kubernetes', async () => {
    const session = http2To(served, admin);
    const stream = session.request({
      ':method': 'POST',
      ':path': `${MAPS}?timeout=150ms`,
      'content-type': 'application/json',
    });
    stream.end(held);
    const reply = await replyOf(stream);
    expect(reply.status).toBe(504);
    expect(JSON.parse(reply.text)).toEqual(timeout);
    const metrics = (await callsTo(served.server)('GET', '/metrics')).body;
    expect(metrics).toMatch(
      /^apiserver_request_terminations_total\{verb="POST",.*resource="configmaps",.*code="504"\} 1$/m,
    );
    session.close();
  });

  it('ends a request whose body does not come to its end', async () => {
    const session = http2To(served, admin);
    const stream = session.request({
      ':method': 'POST',
      ':path': `${MAPS}?timeout=150ms`,
      'content-type': 'application/json',
    });
    stream.write('{"metadata":');
    const reply = await replyOf(stream);
    expect(JSON.parse(reply.text)).toEqual(timeout);
    session.destroy();
  });

  it('that cannot be read is a BadRequest in the words of Kubernetes', async () => {
    const call = callsTo(served.server);
    for (const [text, why] of [
      ['abc', 'invalid duration "abc"'],
      ['5', 'missing unit in duration "5"'],
      ['5d', 'unknown unit "d" in duration "5d"'],
    ]) {
      const { status, body } = await call('GET', `${MAPS}?timeout=${text}`);
      expect([status, body.reason]).toEqual([400, 'BadRequest']);
      expect(body.message).toBe(`invalid timeout specified in the request URL - time: ${why}`);
    }
    for (const text of ['5s', '1h', '0s', '1m30s', '.5s', ''])
      expect((await call('GET', `${MAPS}?timeout=${text}`)).status).toBe(200);
  });

  it('does not end a watch', async () => {
    const session = http2To(served, admin);
    const watch = session.request({ ':path': `${MAPS}?watch=1&timeout=50ms&timeoutSeconds=1` });
    const began = performance.now();
    const reply = await replyOf(watch);
    expect(reply.status).toBe(200);
    expect(performance.now() - began).toBeGreaterThan(900);
    session.close();
  });
});

describe('a client', () => {
  it('that does not read its answer in time has it broken off, and holds nothing longer', async () => {
    const call = callsTo(served.server);
    for (const name of ['a', 'b'])
      await call('POST', MAPS, { metadata: { name }, data: { text: 'x'.repeat(900_000) } });
    const session = http2To(served, admin);
    const stream = session.request({ ':path': `${MAPS}?timeout=250ms` });
    stream.on('error', () => undefined);
    await once(stream, 'response');
    await once(stream, 'close');
    expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
    session.destroy();
  });

  it('that sends no end of a head is cut off, over HTTP/1', async () => {
    const socket = await http1To(served, admin);
    socket.write(`GET ${MAPS} HTTP/1.1\r\nHost: x\r\nX-Slow: `);
    const began = performance.now();
    expect(await untilClosed(socket)).toMatch(/^HTTP\/1\.1 408 Request Timeout/);
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('that never finishes its body is cut off, over HTTP/1', async () => {
    const socket = await http1To(served, admin);
    socket.write(
      `POST ${MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
    );
    expect(await untilClosed(socket)).toMatch(/^HTTP\/1\.1 408 Request Timeout/);
  });

  it('that does not begin with TLS is cut off', async () => {
    const { connect } = await import('node:net');
    const socket = connect(served.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    const began = performance.now();
    await once(socket.resume(), 'close');
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('that is silent after a request is let go, over HTTP/1 and HTTP/2', async () => {
    const socket = await http1To(served, admin);
    socket.write(`GET ${MAPS} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect((await nextReply(socket)).status).toBe(200);
    await once(socket, 'close');
    const session = http2To(served, admin);
    const { status } = await replyOf(session.request({ ':path': MAPS }));
    expect(status).toBe(200);
    await once(session, 'close');
  });

  it('that waits for events is not let go', async () => {
    const session = http2To(served, admin);
    const watch = session.request({ ':path': `${MAPS}?watch=1` });
    await once(watch, 'response');
    let closed = false;
    session.once('goaway', () => {
      closed = true;
    });
    // Longer than an idle connection lives: the end of one beside it tells the time.
    await once(http2To(served, admin), 'close');
    await once(http2To(served, admin), 'close');
    expect(closed).toBe(false);
    session.destroy();
  });

  it('with headers that are too large is refused, over HTTP/1 and HTTP/2', async () => {
    const socket = await http1To(served, admin);
    socket.write(`GET ${MAPS} HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(80 * 1024)}\r\n\r\n`);
    expect(await untilClosed(socket)).toMatch(/^HTTP\/1\.1 431 /);
    const session = http2To(served, admin);
    await expect(
      replyOf(session.request({ ':path': MAPS, 'x-large': 'x'.repeat(80 * 1024) })),
    ).rejects.toThrow();
    session.destroy();
  });

  it('with very many headers has none of them left out, over HTTP/1', async () => {
    const socket = await http1To(served, admin);
    const many = Array.from({ length: 3000 }, (_, i) => `x-${i}: y\r\n`).join('');
    socket.write(`GET ${MAPS} HTTP/1.1\r\nHost: x\r\n${many}Impersonate-User: ann\r\n\r\n`);
    expect((await nextReply(socket)).status).toBe(403);
    socket.destroy();
  });

  it('with too many headers is refused, over HTTP/2', async () => {
    const session = http2To(served, admin);
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, 'x']));
    await expect(replyOf(session.request({ ':path': MAPS, ...many }))).rejects.toThrow();
    session.destroy();
  });

  it('that may not write is told so before its body is read', async () => {
    const session = http2To(served);
    const stream = session.request({
      ':method': 'POST',
      ':path': MAPS,
      'content-type': 'application/json',
    });
    stream.write('{"metadata":');
    const reply = await replyOf(stream);
    expect([reply.status, JSON.parse(reply.text).reason]).toEqual([403, 'Forbidden']);
    session.destroy();
  });

  it('with a body that is too large gets 413, and the connection is closed over HTTP/1', async () => {
    const socket = await http1To(served, admin);
    socket.write(
      `POST ${MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n{`,
    );
    const text = await untilClosed(socket);
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
    expect(text).toContain('Request entity too large: limit is 3145728');
  });
});
