import { type Duplex, duplexPair } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { systemClock } from './clock.ts';
import { VirtualClock } from './clock-virtual.ts';
import { httpOver } from './http-over.ts';
import { collect } from './transport.ts';

const GET = { method: 'GET', path: '/', headers: {} };
const UPGRADE = { ...GET, headers: { connection: 'Upgrade', upgrade: 'x' } };

/** A server that answers whatever it is asked with these bytes; `then` goes on with the connection. */
function answering(
  head: string,
  then: (stream: Duplex) => void = () => {},
  clock: typeof systemClock = systemClock,
) {
  const streams: Duplex[] = [];
  const transport = httpOver(async () => {
    const [ours, theirs] = duplexPair();
    streams.push(ours);
    theirs.on('error', () => {});
    theirs.once('data', () => {
      theirs.write(head);
      then(theirs);
    });
    return ours;
  }, clock);
  return { transport, streams };
}

/** What an agent says is bounded, whoever runs it. */
describe('a server that means harm', () => {
  test('refuses an upgrade with an endless body: the beginning is told, the rest is not read', async () => {
    const { transport, streams } = answering(
      'HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n',
      (stream) => {
        const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`;
        const more = () => {
          while (!stream.destroyed && stream.write(chunk));
        };
        stream.on('drain', more);
        more();
      },
    );
    const error = await transport.upgrade(UPGRADE).catch((refused) => refused);
    expect(error).toMatchObject({ reason: 'BadRequest' });
    expect(error.message).toHaveLength(64 * 1024);
    expect(streams[0]!.destroyed).toBe(true);
  });

  test('refuses an upgrade and never ends: what it has said is told after five seconds', async () => {
    const clock = new VirtualClock();
    const { transport, streams } = answering(
      'HTTP/1.1 404 Not Found\r\ncontent-length: 1000\r\n\r\nno such container',
      undefined,
      clock,
    );
    const refused = transport.upgrade(UPGRADE).catch((error) => error);
    for (let seconds = 0; seconds < 6; seconds++) await clock.advance(1_000);
    expect(await refused).toMatchObject({ reason: 'NotFound', message: 'no such container' });
    expect(streams[0]!.destroyed).toBe(true);
  });

  test.each([
    ['headers without end', `HTTP/1.1 200 OK\r\n${'a: '.padEnd(1000, 'b')}\r\n`.repeat(1)],
    ['one long header', `HTTP/1.1 200 OK\r\na: ${'b'.repeat(80 * 1024)}`],
  ])('sends %s: an error, and the connection is closed', async (_what, head) => {
    const { transport, streams } = answering(head, (stream) => {
      const more = () => {
        while (!stream.destroyed && stream.write(`${'a: '.padEnd(1000, 'b')}\r\n`));
      };
      stream.on('drain', more);
      more();
    });
    await expect(transport.request(GET)).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    expect(streams[0]!.destroyed).toBe(true);
  });

  test('sends trailers without end: the body breaks off', async () => {
    const { transport, streams } = answering(
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: a\r\n\r\n1\r\nx\r\n0\r\n',
      (stream) => {
        const more = () => {
          while (!stream.destroyed && stream.write(`${'a: '.padEnd(1000, 'b')}\r\n`));
        };
        stream.on('drain', more);
        more();
      },
    );
    const { body } = await transport.request(GET);
    await expect(collect(body)).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    expect(streams[0]!.destroyed).toBe(true);
  });

  test('says that it goes on, again and again, and never answers: Timeout', async () => {
    const clock = new VirtualClock();
    const { transport, streams } = answering('HTTP/1.1 100 Continue\r\n\r\n', undefined, clock);
    const asked = transport.request(GET).catch((error) => error);
    for (let seconds = 0; seconds < 31; seconds++) await clock.advance(1_000);
    expect(await asked).toMatchObject({ reason: 'Timeout' });
    expect(streams[0]!.destroyed).toBe(true);
  });

  test('redirects: that is its answer, and nobody goes there', async () => {
    const head = 'HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n';
    const { transport, streams } = answering(head);
    expect((await transport.request(GET)).status).toBe(302);
    await expect(transport.upgrade(UPGRADE)).rejects.toMatchObject({ code: 502 });
    expect(streams).toHaveLength(2);
  });
});

test('a body that breaks off says why', async () => {
  const { transport, streams } = answering('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx');
  const { body } = await transport.request(GET);
  const read = collect(body);
  streams[0]!.destroy(new Error('nothing was heard of it'));
  await expect(read).rejects.toMatchObject({
    reason: 'ServiceUnavailable',
    message: 'nothing was heard of it',
  });
});
