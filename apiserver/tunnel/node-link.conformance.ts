import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { NodeLink } from '#api/node-link.ts';
import { collect } from '#machinery/transport.ts';
import { STREAM_CLASSES, type StreamClass } from '#machinery/tunnel/tunnel.ts';

/** A link with one node `n1`, whose agent is `server` and which dials by `dial`. */
export interface LinkRoom {
  link: NodeLink;
  disconnect(): Promise<void>;
}
export type MakeLink = (server: Server, dial: (address: string) => Promise<Duplex>) => Promise<LinkRoom>;

/** The cases every NodeLink passes. `agent` makes the HTTP server and dialler that they are made with. */
export function nodeLinkConformance(
  make: MakeLink,
  agent: () => { server: Server; dial: (address: string) => Promise<Duplex> },
): void {
  describe.each(STREAM_CLASSES)('%s', (use) => classConformance(use, make, agent));
}

function classConformance(
  use: StreamClass,
  make: MakeLink,
  agent: () => { server: Server; dial: (address: string) => Promise<Duplex> },
): void {
  const room = async () => {
    const { server, dial } = agent();
    return make(server, dial);
  };
  const read = async (stream: AsyncIterable<unknown>) => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  };

  test('requests reach the agent, many at a time', async () => {
    const { link } = await room();
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const { status, body } = await link
          .open('n1', use)
          .request({ method: 'GET', path: `/hello?n=${index}`, headers: {} });
        return `${status} ${Buffer.from(await collect(body)).toString()}`;
      }),
    );
    expect(answers).toEqual(Array.from({ length: 20 }, (_, index) => `200 GET /hello?n=${index}`));
  });

  test('an answer can be long, and can be left in the middle', async () => {
    const { link } = await room();
    const long = await link.open('n1', use).request({ method: 'GET', path: '/long', headers: {} });
    expect((await collect(long.body)).length).toBe(8 * 1024 * 1024);
    const endless = await link.open('n1', use).request({ method: 'GET', path: '/endless', headers: {} });
    for await (const chunk of endless.body as AsyncIterable<Uint8Array>) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
  });

  test('readers that stall hold up nobody else', async () => {
    const { link } = await room();
    const stalled = await Promise.all(
      Array.from({ length: 100 }, () =>
        link.open('n1', use).request({ method: 'GET', path: '/medium', headers: {} }),
      ),
    );
    const { status } = await link.open('n1', use).request({ method: 'GET', path: '/hello', headers: {} });
    expect(status).toBe(200);
    const lengths = await Promise.all(stalled.map(async ({ body }) => (await collect(body)).length));
    expect(new Set(lengths)).toEqual(new Set([1024 * 1024]));
  });

  test('an upgrade passes bytes both ways, and the end of one way', async () => {
    const { link } = await room();
    const headers = { connection: 'Upgrade', upgrade: 'echo' };
    const { status, stream } = await link.open('n1', use).upgrade({ method: 'GET', path: '/echo', headers });
    expect(status).toBe(101);
    stream.end('hello');
    expect(await read(stream)).toBe('hello');
  });

  test('an upgrade that the agent refuses is an error with its words', async () => {
    const { link } = await room();
    const headers = { connection: 'Upgrade', upgrade: 'echo' };
    const refused = link.open('n1', use).upgrade({ method: 'GET', path: '/refuse', headers });
    await expect(refused).rejects.toMatchObject({
      reason: 'BadRequest',
      message: 'container is not running',
    });
  });

  test('dialling gives raw bytes, or an error', async () => {
    const { link } = await room();
    const stream = await link.dial('n1', 'echo:7', use);
    stream.end('raw');
    expect(await read(stream)).toBe('raw');
    await expect(link.dial('n1', 'nobody:7', use)).rejects.toBeDefined();
  });

  test('a node that is not there is ServiceUnavailable', async () => {
    const { link, disconnect } = await room();
    const unknown = link.open('n2', use).request({ method: 'GET', path: '/', headers: {} });
    await expect(unknown).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    await disconnect();
    await expect(link.dial('n1', 'echo:7', use)).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
  });
}
