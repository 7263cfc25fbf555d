import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { deflateSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { VirtualClock } from '../clock-virtual.ts';
import { openExec } from './client.ts';
import type { ExecStreams, ExecWants, ForwardedConnection, Upgrade } from './contract.ts';
import { acceptExec } from './exec.ts';
import { acceptPortForward } from './port-forward.ts';
import { SPDY_DICTIONARY } from './spdy-dictionary.ts';
import {
  controlFrame,
  dataFrames,
  FrameReader,
  HeaderReader,
  HeaderWriter,
  type RawFrame,
  uint32,
} from './spdy-frames.ts';

const ALL: ExecWants = { stdin: true, stdout: true, stderr: true, tty: false };
const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

/** An HTTP server on loopback that hands each upgrade to `serve`. */
async function listen(serve: (upgrade: Upgrade) => Promise<unknown>): Promise<number> {
  const server: Server = createServer();
  server.on('upgrade', (request, socket, head) => {
    serve({ request, socket, head }).catch(() => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => server.close() });
  return (server.address() as AddressInfo).port;
}

async function text(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** A program that copies its input to its output, notes it on stderr, and exits with the number of bytes. */
async function copy({ stdin, stdout, stderr, finish }: ExecStreams): Promise<void> {
  const input = await text(stdin!);
  stdout?.write(input);
  stderr?.write('noted');
  await finish({ exitCode: input.length });
}

describe('exec by WebSocket', () => {
  test('input, its end, output, errors and the exit code', async () => {
    const port = await listen(async (upgrade) => copy(await acceptExec(upgrade, ALL)));
    const client = await openExec(`ws://127.0.0.1:${port}/exec`);
    const [out, err] = [text(client.stdout), text(client.stderr)];
    client.send(Buffer.from('hello '));
    client.send(Buffer.from('there'));
    client.closeStdin();
    expect(await out).toBe('hello there');
    expect(await err).toBe('noted');
    expect(await client.status).toMatchObject({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '11' }] },
    });
    await client.closed;
  });

  test('a client that says nothing has a moment to make its streams', async () => {
    const clock = new VirtualClock();
    const accepted = Promise.withResolvers<void>();
    const port = await listen(async (upgrade) => {
      const streams = await acceptExec(upgrade, ALL, clock);
      streams.stdout!.write('quick');
      accepted.resolve();
      await streams.finish({ exitCode: 0 });
    });
    const client = await openExec(`ws://127.0.0.1:${port}/exec`);
    let heard = false;
    client.stdout.once('readable', () => {
      heard = true;
    });
    await accepted.promise;
    await clock.advance(99);
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toBe(false);
    await clock.advance(1);
    expect(await text(client.stdout)).toBe('quick');
    expect(await client.status).toMatchObject({ status: 'Success' });
  });

  test('success is a Status of success', async () => {
    const port = await listen(async (upgrade) => (await acceptExec(upgrade, ALL)).finish({ exitCode: 0 }));
    const client = await openExec(`ws://127.0.0.1:${port}/exec`);
    expect(await client.status).toEqual({ metadata: {}, status: 'Success' });
  });

  test('terminal sizes arrive, also the one sent before anybody listened', async () => {
    const sizes: unknown[] = [];
    const port = await listen(async (upgrade) => {
      const streams = await acceptExec(upgrade, { ...ALL, tty: true });
      await new Promise((resolve) => streams.stdin!.once('data', resolve));
      streams.onResize((size) => sizes.push(size));
      expect(streams.stderr).toBeUndefined();
      await streams.finish({ exitCode: 0 });
    });
    const client = await openExec(`ws://127.0.0.1:${port}/exec`);
    client.resize({ width: 80, height: 24 });
    client.resize({ width: 100, height: 30 });
    client.send(Buffer.from('go'));
    await client.status;
    expect(sizes).toEqual([{ width: 100, height: 30 }]);
  });

  test('a client that goes away ends the input, and writing to it does no harm', async () => {
    let gone: Promise<string> | undefined;
    const port = await listen(async (upgrade) => {
      const streams = await acceptExec(upgrade, ALL);
      gone = text(streams.stdin!).then(async (input) => {
        await streams.closed;
        streams.stdout!.write('nobody reads this');
        await streams.finish({ exitCode: 0 });
        return input;
      });
    });
    const client = await openExec(`ws://127.0.0.1:${port}/exec`);
    client.send(Buffer.from('x'));
    client.close();
    await client.closed;
    expect(await gone).toBe('x');
  });

  test('megabytes pass both ways in order', async () => {
    const port = await listen(async (upgrade) => {
      const streams = await acceptExec(upgrade, ALL);
      for await (const chunk of streams.stdin!) {
        if (!streams.stdout!.write(chunk))
          await new Promise((resolve) => streams.stdout!.once('drain', resolve));
      }
      await streams.finish({ exitCode: 0 });
    });
    const client = await openExec(`ws://127.0.0.1:${port}/exec`);
    const out = text(client.stdout);
    const block = Buffer.alloc(32 * 1024, 'abcdefg');
    for (let i = 0; i < 128; i++) client.send(block);
    client.closeStdin();
    expect((await out).length).toBe(128 * block.length);
  });

  test('a client of an unknown protocol is told so', async () => {
    const port = await listen((upgrade) => acceptExec(upgrade, ALL));
    const opened = openExec(`ws://127.0.0.1:${port}/exec`, { protocols: ['v9.channel.k8s.io'] });
    await expect(opened).rejects.toThrow('400');
  });
});

/** A SPDY client of frames, no more than the tests need. */
class SpdyClient {
  readonly #socket: Socket;
  readonly #headers = new HeaderWriter();
  readonly #reader = new FrameReader();
  readonly data = new Map<number, string>();
  readonly ended = new Set<number>();
  readonly control: RawFrame[] = [];
  readonly closed: Promise<void>;
  head = '';
  #wake: (() => void)[] = [];

  constructor(port: number, protocol: string) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.write(
      `POST /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v5.other\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
    );
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    open.push({ close: () => this.#socket.destroy() });
  }

  #receive(chunk: Buffer): void {
    let rest = chunk;
    if (!this.head.includes('\r\n\r\n')) {
      const all = Buffer.concat([Buffer.from(this.head), chunk]);
      const end = all.indexOf('\r\n\r\n');
      this.head = all.subarray(0, end < 0 ? undefined : end + 4).toString();
      rest = end < 0 ? Buffer.alloc(0) : all.subarray(end + 4);
    }
    for (const frame of this.#reader.push(rest)) {
      if (frame.kind === 'control') this.control.push(frame);
      else {
        this.data.set(frame.stream, (this.data.get(frame.stream) ?? '') + frame.bytes.toString());
        if (frame.end) this.ended.add(frame.stream);
      }
    }
    for (const wake of this.#wake.splice(0)) wake();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  open(id: number, headers: Record<string, string>): void {
    const payload = Buffer.concat([uint32(id, 0), Buffer.alloc(2), this.#headers.write(headers)]);
    this.#socket.write(controlFrame(1, 0, payload));
  }

  write(id: number, words: string, fin = false): void {
    for (const frame of dataFrames(id, Buffer.from(words), fin)) this.#socket.write(frame);
  }

  raw(frame: Buffer): void {
    this.#socket.write(frame);
  }
}

describe('SPDY', () => {
  test('header blocks of the deflater of others are read, and ours are read by the inflater', async () => {
    const pair = Buffer.concat([uint32(1, 4), Buffer.from('Port'), uint32(2), Buffer.from('80')]);
    const block = deflateSync(pair, { dictionary: SPDY_DICTIONARY, finishFlush: 2 });
    expect(await new HeaderReader().read(block)).toEqual({ port: '80' });
    const [writer, reader] = [new HeaderWriter(), new HeaderReader()];
    expect(await reader.read(writer.write({ a: 'b' }))).toEqual({ a: 'b' });
    expect(await reader.read(writer.write({ c: 'd', e: '' }))).toEqual({ c: 'd', e: '' });
  });

  test('a header block that swells is refused', async () => {
    const bomb = deflateSync(Buffer.alloc(10_000_000), { dictionary: SPDY_DICTIONARY, finishFlush: 2 });
    await expect(new HeaderReader().read(bomb)).rejects.toThrow('too long');
  });

  test('frames are found however the bytes are cut', () => {
    const bytes = Buffer.concat([controlFrame(6, 0, uint32(1)), ...dataFrames(3, Buffer.from('abc'), true)]);
    const reader = new FrameReader();
    const frames = [...bytes].flatMap((byte) => [...reader.push(Buffer.of(byte))]);
    expect(frames[0]).toMatchObject({ kind: 'control', type: 6 });
    const pieces = frames.slice(1).map((frame) => (frame.kind === 'data' ? frame : undefined)!);
    expect(Buffer.concat(pieces.map(({ bytes: piece }) => piece)).toString()).toBe('abc');
    expect(pieces.at(-1)!.end).toBe(true);
  });

  test('exec: streams by their type, the exit code on the error stream', async () => {
    const port = await listen(async (upgrade) => copy(await acceptExec(upgrade, ALL)));
    const client = new SpdyClient(port, 'v4.channel.k8s.io');
    ['error', 'stdin', 'stdout', 'stderr'].forEach((streamtype, index) => {
      client.open(2 * index + 1, { streamtype });
    });
    client.write(3, 'hello', true);
    await client.closed;
    expect(client.head).toContain('X-Stream-Protocol-Version: v4.channel.k8s.io');
    expect(client.data.get(5)).toBe('hello');
    expect(client.data.get(7)).toBe('noted');
    expect(JSON.parse(client.data.get(1)!)).toMatchObject({ details: { causes: [{ message: '5' }] } });
    expect([...client.ended].sort()).toEqual([1, 5, 7]);
  });

  test('exec with a terminal: sizes come by a stream of their own, in pieces', async () => {
    const sizes: unknown[] = [];
    const port = await listen(async (upgrade) => {
      const streams = await acceptExec(upgrade, { ...ALL, tty: true });
      streams.onResize((size) => sizes.push(size));
      for await (const chunk of streams.stdin!) streams.stdout!.write(chunk);
      await streams.finish({ exitCode: 0 });
    });
    const client = new SpdyClient(port, 'v4.channel.k8s.io');
    ['error', 'stdin', 'stdout', 'resize'].forEach((streamtype, index) => {
      client.open(2 * index + 1, { streamtype });
    });
    client.write(7, '{"Width":80,"Hei');
    client.write(7, 'ght":24}\n{"Width":81,"Height":25}\n');
    client.write(3, 'typed', true);
    await client.closed;
    expect(client.data.get(5)).toBe('typed');
    expect(sizes).toEqual([
      { width: 80, height: 24 },
      { width: 81, height: 25 },
    ]);
  });

  test('a client that takes a terminal for none is served all the same', async () => {
    const port = await listen(async (upgrade) => {
      const streams = await acceptExec(upgrade, { stdin: false, stdout: true, stderr: true, tty: true });
      streams.stdout!.write('screen');
      await streams.finish({ exitCode: 0 });
    });
    const client = new SpdyClient(port, 'v4.channel.k8s.io');
    ['error', 'stdin', 'stderr', 'stdout'].forEach((streamtype, index) => {
      client.open(2 * index + 1, { streamtype });
    });
    client.write(3, 'nobody reads this', true);
    await client.closed;
    expect(client.data.get(7)).toBe('screen');
    expect([...client.ended].sort()).toEqual(expect.arrayContaining([1, 7]));
  });

  test('pings are answered and unknown frames ignored', async () => {
    const port = await listen((upgrade) => acceptPortForward(upgrade, () => {}));
    const client = new SpdyClient(port, 'portforward.k8s.io');
    client.raw(controlFrame(4, 0, uint32(0)));
    client.raw(controlFrame(9, 0, uint32(1, 65536)));
    client.raw(controlFrame(6, 0, uint32(7)));
    await client.until(() => client.control.length > 0);
    expect(client.control[0]).toMatchObject({ type: 6, payload: uint32(7) });
  });

  test('a peer that breaks the protocol loses its connection', async () => {
    const port = await listen((upgrade) => acceptPortForward(upgrade, () => {}));
    const client = new SpdyClient(port, 'portforward.k8s.io');
    client.open(2, { streamtype: 'data', port: '80' });
    await client.closed;
  });

  test('port-forward: each connection is a pair of streams; the error stream ends with the data', async () => {
    const echo = ({ data }: ForwardedConnection) => void data.pipe(data);
    const port = await listen((upgrade) => acceptPortForward(upgrade, echo));
    const client = new SpdyClient(port, 'portforward.k8s.io');
    for (const [id, requestid] of [
      [1, '0'],
      [5, '1'],
    ] as const) {
      client.open(id, { streamtype: 'error', port: '80', requestid });
      client.write(id, '', true);
      client.open(id + 2, { streamtype: 'data', port: '80', requestid });
    }
    client.write(3, 'one');
    client.write(7, 'two', true);
    await client.until(() => client.ended.has(7) && client.ended.has(5) && client.data.get(3) === 'one');
    expect(client.data.get(7)).toBe('two');
    expect(client.ended.has(3)).toBe(false);
    client.write(3, '!', true);
    await client.until(() => client.ended.has(1));
    expect(client.data.get(3)).toBe('one!');
  });

  test('port-forward: a failure is said on the error stream, a reset destroys the data', async () => {
    const made: ForwardedConnection[] = [];
    const port = await listen((upgrade) =>
      acceptPortForward(upgrade, (connection) => void made.push(connection)),
    );
    const client = new SpdyClient(port, 'portforward.k8s.io');
    client.open(1, { streamtype: 'data', port: '81', requestid: '0' });
    client.open(3, { streamtype: 'error', port: '81', requestid: '0' });
    client.open(5, { streamtype: 'data', port: '82', requestid: '1' });
    client.open(7, { streamtype: 'error', port: '82', requestid: '1' });
    await client.until(() => client.control.length === 4);
    made[0]!.fail('connection refused');
    const closed = new Promise((resolve) => made[1]!.data.once('close', resolve));
    client.raw(controlFrame(3, 0, uint32(5, 5)));
    await closed;
    await client.until(() => client.ended.has(3));
    expect(client.data.get(3)).toBe('connection refused');
    expect(made.map((each) => each.port)).toEqual([81, 82]);
  });
});

describe('port-forward by the channels of older WebSocket clients', () => {
  test('each port has a data and an error channel that begin with its number', async () => {
    const port = await listen((upgrade) =>
      acceptPortForward(
        upgrade,
        ({ data, fail, port: wanted }) => {
          if (wanted === 81) fail('connection refused');
          else data.pipe(data);
        },
        [80, 81],
      ),
    );
    const socket = new WebSocket(`ws://127.0.0.1:${port}/portforward?ports=80,81`, ['v4.channel.k8s.io']);
    const heard = new Map<number, Buffer>();
    const complete = new Promise<void>((resolve) => {
      socket.on('message', (message) => {
        const bytes = message as Buffer;
        const before = heard.get(bytes[0]!) ?? Buffer.alloc(0);
        heard.set(bytes[0]!, Buffer.concat([before, bytes.subarray(1)]));
        if ((heard.get(0)?.length ?? 0) >= 7 && (heard.get(3)?.length ?? 0) > 2) resolve();
      });
    });
    socket.once('open', () => socket.send(Buffer.concat([Buffer.of(0), Buffer.from('hello')])));
    await complete;
    socket.close();
    expect(heard.get(0)).toEqual(Buffer.concat([Buffer.of(80, 0), Buffer.from('hello')]));
    expect(heard.get(1)).toEqual(Buffer.of(80, 0));
    expect(heard.get(3)!.subarray(2).toString()).toBe('connection refused');
  });
});
