import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isStatus } from './errors.ts';
import { collect, type Transport } from './transport.ts';

/** A server behind a transport, and where it does what. */
export interface TransportHarness {
  transport: Transport;
  paths: {
    /** GET: 200, a header `x-seen` as the request's `x-sent`, and the query (`?word=...`) as text. */
    echo: string;
    /** POST of a ConfigMap: 201 and the object. */
    create: string;
    /** GET: 404 with a Status of reason NotFound. */
    absent: string;
    /** GET: `first`, then nothing until the reader goes. */
    stream: string;
    /** GET: a part of a body, then something breaks. */
    cut: string;
    /** Upgrade: 101, then everything sent back behind a `hello `. */
    upgrade: string;
    /** Upgrade: refused with a Status of reason Forbidden that says `not you`. */
    refused: string;
    /** Upgrade: something breaks before there is an answer. */
    broken: string;
  };
  /** Resolves once the server has seen that the reader of `stream` is gone. */
  readerGone: Promise<void>;
  close(): Promise<void>;
}

const LIMIT_MS = 5000;

/** The cases every Transport passes. */
export function transportConformance(name: string, makeHarness: () => Promise<TransportHarness>): void {
  describe(`${name} keeps the transport contract`, () => {
    let harness: TransportHarness;
    let transport: Transport;
    let paths: TransportHarness['paths'];

    beforeEach(async () => {
      harness = await makeHarness();
      transport = harness.transport;
      paths = harness.paths;
    });
    afterEach(() => harness.close());

    const get = (path: string, more: { headers?: Record<string, string>; signal?: AbortSignal } = {}) =>
      transport.request({ method: 'GET', path, headers: {}, ...more });
    const textOf = async (body: Parameters<typeof collect>[0]) => Buffer.from(await collect(body)).toString();

    describe('request', () => {
      test('brings path, query and headers there, and status, headers and body back', async () => {
        const response = await get(`${paths.echo}?word=a%20b`, { headers: { 'x-sent': 'yes' } });
        expect(response.status).toBe(200);
        expect(response.headers['x-seen']).toBe('yes');
        expect(await textOf(response.body)).toBe('a b');
      });

      test('brings a body there whole', async () => {
        const data = { text: 'ä'.repeat(100_000) };
        const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data };
        const { status, body } = await transport.request({
          method: 'POST',
          path: paths.create,
          headers: { 'content-type': 'application/json' },
          body: Buffer.from(JSON.stringify(object)),
        });
        expect(status).toBe(201);
        expect(JSON.parse(await textOf(body)).data).toEqual(data);
      });

      test('resolves with an answer that is a failure', async () => {
        const { status, body } = await get(paths.absent);
        expect(status).toBe(404);
        expect(JSON.parse(await textOf(body))).toMatchObject({
          kind: 'Status',
          reason: 'NotFound',
          code: 404,
        });
      });

      test('keeps a body that came long before it is read', async () => {
        const { body } = await get(`${paths.echo}?word=early`);
        for (let i = 0; i < 3; i++) await textOf((await get(`${paths.echo}?word=later`)).body);
        expect(await textOf(body)).toBe('early');
      });

      test('keeps requests of the same time apart', async () => {
        const words = Array.from({ length: 50 }, (_, i) => `word${i}`);
        const answers = words.map(async (word) => textOf((await get(`${paths.echo}?word=${word}`)).body));
        expect(await Promise.all(answers)).toEqual(words);
      });
    });

    describe('a body that streams', () => {
      test(
        'comes while it is being made, and ends at the server when its reader goes',
        { timeout: LIMIT_MS },
        async () => {
          const { status, body } = await get(paths.stream);
          expect(status).toBe(200);
          expect(body).not.toBeInstanceOf(Uint8Array);
          for await (const chunk of body as AsyncIterable<Uint8Array>) {
            expect(Buffer.from(chunk).toString()).toBe('first');
            break;
          }
          await harness.readerGone;
        },
      );

      test('ends on both sides when the request is aborted', { timeout: LIMIT_MS }, async () => {
        const abort = new AbortController();
        const { body } = await get(paths.stream, { signal: abort.signal });
        const chunks = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
        await chunks.next();
        const rest = chunks.next();
        abort.abort();
        // By its end or by an error: which one is left to the transport.
        const end = await rest.catch((error: unknown) => error);
        expect(end instanceof Error || (end as IteratorResult<Uint8Array>).done === true).toBe(true);
        await harness.readerGone;
      });
    });

    test('a body that was cut is an error, never a short body', async () => {
      const { body } = await get(paths.cut);
      await expect(collect(body)).rejects.toThrow();
    });

    describe('upgrade', () => {
      const upgrade = (path: string) =>
        transport.upgrade({ method: 'POST', path, headers: { connection: 'Upgrade', upgrade: 'echo' } });

      test('is bytes both ways once accepted', { timeout: LIMIT_MS }, async () => {
        const { status, stream } = await upgrade(paths.upgrade);
        expect(status).toBe(101);
        stream.write('you');
        let text = '';
        for await (const chunk of stream) {
          text += chunk;
          if (text.length >= 'hello you'.length) break;
        }
        expect(text).toBe('hello you');
      });

      test('rejects with the reason and the words of who refused it', async () => {
        await expect(upgrade(paths.refused)).rejects.toSatisfy(
          (error) => isStatus(error, 'Forbidden') && error.message.includes('not you'),
        );
      });

      test('rejects with a StatusError when there is no answer', async () => {
        await expect(upgrade(paths.broken)).rejects.toSatisfy((error) => isStatus(error));
      });
    });
  });
}
