/**
 * What is wrong with the bytes of a connection, over TLS on loopback. What is no HTTP is answered as Go's server does, in
 * plain text; all else with a Status. The server goes on.
 */
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { BODY_LIMIT_BYTES } from '../encoding/body.ts';
import { HOST, type Served, serve } from '../testing/served.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const JSON_HEAD = 'Content-Type: application/json\r\n';

/** A server and one of its administrators. */
interface Side {
  served: Served;
  admin: KeyAndCertificate;
}

let usual: Side;
/** A minute of this server's is half a second: its waits come to an end here. */
let hasty: Side;

beforeAll(async () => {
  const timer = (delayMs: number, fire: () => void) => systemClock.timer(delayMs / 120, fire);
  [usual, hasty] = await Promise.all([start(), start({ clock: { ...systemClock, timer } })]);
});
afterAll(() => Promise.all([usual.served.stop(), hasty.served.stop()]));

async function start(overrides: Parameters<typeof serve>[0] = {}): Promise<Side> {
  const served = await serve(overrides);
  return { served, admin: await served.client('admin', ['system:masters']) };
}

function open({ served, admin }: Side = usual, isKnown = true): TLSSocket {
  return connectTls({
    host: HOST,
    port: served.port,
    ca: served.authority.certificate,
    ...(isKnown && { cert: admin.certificate, key: admin.key }),
    ALPNProtocols: ['http/1.1'],
  });
}

/** What the server says until it ends the connection, which it must. */
async function saidUntilClosed(socket: TLSSocket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  // A reset is an end too.
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

/** The answer to bytes after which the server ends the connection. */
async function answerTo(...parts: (string | Buffer)[]): Promise<string> {
  const socket = open();
  const said = saidUntilClosed(socket);
  for (const part of parts) socket.write(part);
  return said;
}

/** What the server says until a Status is whole: it need not end the connection. */
async function statusFrom(socket: TLSSocket): Promise<Record<string, unknown>> {
  let text = '';
  socket.on('error', () => undefined);
  for await (const chunk of socket) {
    text += String(chunk);
    if (/"code":\d+\}/.test(text)) break;
  }
  return statusIn(text);
}

/** The Status in the last answer of a text. */
function statusIn(text: string): Record<string, unknown> {
  const at = text.lastIndexOf('{"kind":"Status"');
  expect(at, text.slice(0, 300)).toBeGreaterThan(0);
  const end = text.lastIndexOf('}');
  return JSON.parse(text.slice(at, end + 1)) as Record<string, unknown>;
}

/** Whether the server still serves. */
async function expectAlive(): Promise<void> {
  const answer = await answerTo(`GET ${MAPS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
}

describe('HTTP/1.1 that cannot be read is refused, and its connection ended', () => {
  const post = `POST ${MAPS} HTTP/1.1\r\nHost: x\r\n${JSON_HEAD}`;
  it.each<[string, number, (string | Buffer)[]]>([
    ['bytes that are no HTTP', 400, ['\0\x01\x02\r\n\r\n']],
    ['a method that there is not', 400, [`FOO ${MAPS} HTTP/1.1\r\nHost: x\r\n\r\n`]],
    ['no Host', 400, [`GET ${MAPS} HTTP/1.1\r\n\r\n`]],
    ['a header without a name', 400, [`GET ${MAPS} HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n`]],
    ['a header with a control character', 400, [`GET ${MAPS} HTTP/1.1\r\nHost: x\r\na: \0\r\n\r\n`]],
    ['a chunk that is none', 400, [`${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}`]],
    ['a chunk with another length', 400, [`${post}Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n`]],
    [
      'two lengths of one body',
      400,
      [`${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api HTTP/1.1\r\n\r\n`],
    ],
    ['a negative length', 400, [`${post}Content-Length: -1\r\n\r\n`]],
    ['a length beyond 64 bits', 400, [`${post}Content-Length: 99999999999999999999\r\n\r\n`]],
  ])('%s', async (_, code, parts) => {
    expect(await answerTo(...parts)).toMatch(new RegExp(`^HTTP/1\\.1 ${code} `));
    await expectAlive();
  });

  it.each<[string, (string | Buffer)[]]>([
    ['a length', [`${post}Content-Length: ${BODY_LIMIT_BYTES + 1}\r\n\r\n`]],
    [
      'chunks',
      [
        `${post}Transfer-Encoding: chunked\r\n\r\n`,
        ...Array<string>(7).fill(`80000\r\n${' '.repeat(0x80000)}\r\n`),
      ],
    ],
  ])('%s beyond the limit', async (_, parts) => {
    expect(statusIn(await answerTo(...parts))).toMatchObject({
      code: 413,
      reason: 'RequestEntityTooLarge',
      message: `Request entity too large: limit is ${BODY_LIMIT_BYTES}`,
    });
    await expectAlive();
  });

  it('a body that breaks off', async () => {
    const socket = open();
    const said = saidUntilClosed(socket);
    socket.end(`${post}Content-Length: 100\r\n\r\n{"a":`);
    expect(await said).toMatch(/^HTTP\/1\.1 400 /);
    await expectAlive();
  });

  it('headers without end', async () => {
    const socket = open();
    const said = saidUntilClosed(socket);
    socket.write(`GET ${MAPS} HTTP/1.1\r\nHost: x\r\n`);
    for (let i = 0; i < 50 && socket.writable; i++) {
      socket.write(`x-${i}: ${'y'.repeat(5_000)}\r\n`);
      await new Promise(setImmediate);
    }
    // The answer can be lost where bytes are still on their way when the connection ends.
    const text = await said;
    if (text !== '') expect(text).toMatch(/^HTTP\/1\.1 431 /);
    await expectAlive();
  });
});

describe('HTTP/1.1 that is odd is answered', () => {
  it.each<[string, number, string]>([
    ['a path of ten kilobytes', 404, `GET ${MAPS}/${'a'.repeat(10_000)}`],
    ['a path with a broken escape', 400, 'GET /api/v1/%zz'],
    ['a path with double slashes', 404, 'GET //api//v1//nodes'],
    ['a path that goes up', 404, 'GET /api/v1/../../etc/passwd'],
    ['a path with NUL', 404, 'GET /api/v1/nodes/%00'],
    ['a whole URL', 404, `GET http://x${MAPS}/none`],
    ['no path', 405, 'OPTIONS *'],
    ['TRACE', 405, `TRACE ${MAPS}`],
  ])('%s', async (_, code, line) => {
    const text = await answerTo(`${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(statusIn(text)).toMatchObject({ status: 'Failure', code });
  });

  it('a type of the body that is no type', async () => {
    const text = await answerTo(
      `POST ${MAPS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: \xff;;\r\nContent-Length: 2\r\n\r\n{}`,
    );
    expect(statusIn(text)).toMatchObject({ code: 415, reason: 'UnsupportedMediaType' });
  });

  it('a hundred requests at once, in their order', async () => {
    const heads = Array.from({ length: 100 }, (_, i) => {
      const connection = i === 99 ? 'Connection: close\r\n' : '';
      return `GET ${MAPS}/none-${i} HTTP/1.1\r\nHost: x\r\n${connection}\r\n`;
    });
    const text = await answerTo(heads.join(''));
    const names = [...text.matchAll(/configmaps \\"(none-\d+)\\" not found/g)].map(([, name]) => name);
    expect(names).toEqual(Array.from({ length: 100 }, (_, i) => `none-${i}`));
  });

  it('a body of one byte at a time', async () => {
    const body = JSON.stringify({ metadata: { name: 'bytes' } });
    const socket = open();
    const said = saidUntilClosed(socket);
    socket.setNoDelay(true);
    socket.write(`POST ${MAPS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${JSON_HEAD}`);
    socket.write(`Content-Length: ${body.length}\r\n\r\n`);
    for (const byte of body) {
      socket.write(byte);
      await new Promise(setImmediate);
    }
    expect(await said).toMatch(/^HTTP\/1\.1 201 /);
  });
});

describe('clients that are slow', () => {
  it('a body that does not come is given up', async () => {
    const socket = open(hasty);
    socket.write(`POST ${MAPS} HTTP/1.1\r\nHost: x\r\n${JSON_HEAD}Content-Length: 100\r\n\r\n{"a":`);
    expect(await statusFrom(socket)).toMatchObject({ code: 504, reason: 'Timeout' });
  });

  it('a body of a stranger is not waited for', async () => {
    const socket = open(usual, false);
    socket.write(`POST ${MAPS} HTTP/1.1\r\nHost: x\r\n${JSON_HEAD}Content-Length: 100\r\n\r\n`);
    expect(await statusFrom(socket)).toMatchObject({ code: 403, reason: 'Forbidden' });
  });

  it('connections that say nothing, or no TLS, hold up nobody', async () => {
    const silent = Array.from({ length: 50 }, () => connectTcp(usual.served.port, HOST));
    const wrong = connectTcp(usual.served.port, HOST);
    wrong.on('error', () => undefined);
    wrong.write('GET / HTTP/1.1\r\n\r\n');
    await new Promise((resolve) => wrong.once('close', resolve));
    await expectAlive();
    for (const socket of silent) socket.destroy();
  });
});

function session({ served, admin }: Side = usual): ClientHttp2Session {
  const opened = connectHttp2(`https://${HOST}:${served.port}`, {
    ca: served.authority.certificate,
    cert: admin.certificate,
    key: admin.key,
  });
  // What becomes of a connection that is misused is seen by its streams.
  opened.on('error', () => undefined);
  return opened;
}

/** Status and body of an answer, or the code with which the stream was reset. */
function answerOf(on: ClientHttp2Session, headers: Record<string, string>, body?: Buffer | string) {
  return new Promise<{ status: number; text: string; reset: number }>((resolve) => {
    const stream = on.request(headers);
    let status = 0;
    let text = '';
    stream.on('response', (head) => {
      status = Number(head[':status']);
    });
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    stream.on('error', () => undefined);
    stream.on('close', () => resolve({ status, text, reset: stream.rstCode }));
    if (body === undefined) stream.end();
    else stream.end(body);
  });
}

const POST = { ':method': 'POST', ':path': MAPS, 'content-type': 'application/json' };

describe('HTTP/2', () => {
  it.each(['constructor', '__proto__', 'get', 'PRI'])('the method %s is refused', async (method) => {
    const on = session();
    const { status, text } = await answerOf(on, { ':method': method, ':path': MAPS });
    expect(JSON.parse(text)).toMatchObject({ kind: 'Status', code: 405, reason: 'MethodNotAllowed' });
    expect(status).toBe(405);
    on.destroy();
  });

  it('headers without end are refused, and other connections go on', async () => {
    const many = Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`x-${i}`, 'y']));
    const long = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`x-${i}`, 'y'.repeat(10_000)]));
    for (const flood of [many, long]) {
      const on = session();
      const { status, reset } = await answerOf(on, { ':path': MAPS, ...flood });
      expect(status === 431 || reset !== constants.NGHTTP2_NO_ERROR).toBe(true);
      on.destroy();
    }
    await expectAlive();
  });

  it('a body beyond the limit is refused, and the connection goes on', async () => {
    const on = session();
    const large = await answerOf(on, POST, Buffer.alloc(BODY_LIMIT_BYTES + 1, 0x20));
    expect(JSON.parse(large.text)).toMatchObject({
      code: 413,
      reason: 'RequestEntityTooLarge',
      message: `Request entity too large: limit is ${BODY_LIMIT_BYTES}`,
    });
    expect((await answerOf(on, { ':path': MAPS })).status).toBe(200);
    on.destroy();
  });

  it('streams that are reset at once, and bodies that break off, leave nothing behind', async () => {
    const on = session();
    for (let i = 0; i < 300; i++) {
      const stream = on.request({ ...POST, 'content-length': '1000' });
      stream.on('error', () => undefined);
      stream.write('{"a":');
      stream.close(i % 2 ? constants.NGHTTP2_CANCEL : constants.NGHTTP2_NO_ERROR);
    }
    await new Promise(setImmediate);
    on.destroy();
    await expectAlive();
    const next = session();
    expect((await answerOf(next, { ':path': MAPS })).status).toBe(200);
    next.destroy();
  });

  it('a body that does not come is given up', async () => {
    const on = session(hasty);
    const stream = on.request(POST);
    stream.on('error', () => undefined);
    stream.write('{"a":');
    let text = '';
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
    expect(head[':status']).toBe(504);
    await once(stream, 'end');
    expect(JSON.parse(text)).toMatchObject({ reason: 'Timeout', code: 504 });
    on.destroy();
  });
});
