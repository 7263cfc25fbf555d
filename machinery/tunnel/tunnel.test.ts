import { once } from 'node:events';
import http2 from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type Duplex, PassThrough } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../clock.ts';
import { VirtualClock } from '../clock-virtual.ts';
import { answerTunnel, callTunnel } from './tunnel.ts';

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function tcpPair(): Promise<[Socket, Socket]> {
  const listener = createServer();
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepted = once(listener, 'connection');
  const dialled = connect((listener.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await accepted) as [Socket];
  listener.close();
  sockets.push(socket, dialled);
  return [socket, dialled];
}

const echo = (stream: Duplex) => void stream.pipe(stream);

describe('a peer that is gone', () => {
  test.each(['the accepting', 'the dialling'])('is found by %s side within 15 s', async (side) => {
    const [ours] = await tcpPair();
    const clock = new VirtualClock();
    const targets = { agent: echo, dial: () => Promise.reject(new Error('nothing')) };
    const closed =
      side === 'the accepting'
        ? callTunnel(ours, 'bulk', clock).closed
        : answerTunnel(ours, { use: 'bulk', targets, clock });
    await clock.advance(9_999);
    expect(ours.destroyed).toBe(false);
    await clock.advance(5_001);
    await closed;
    expect(ours.destroyed).toBe(true);
  });

  test('is not one that only has much else to say: on a slow wire the answer to a ping stands behind it', async () => {
    const [ours, theirs] = await tcpPair();
    const clock = new VirtualClock();
    const tunnel = callTunnel(ours, 'bulk', clock);
    // RFC 9113: settings, then window updates of the connection, and no answer to any ping.
    theirs.write(Buffer.from('000000040000000000', 'hex'));
    for (let seconds = 0; seconds < 60; seconds += 5) {
      const before = ours.bytesRead;
      theirs.write(Buffer.from('00000408000000000000000001', 'hex'));
      while (ours.bytesRead === before) await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(5_000);
      expect(ours.destroyed).toBe(false);
    }
    await clock.advance(15_000);
    await tunnel.closed;
  });

  test('is not one that is asked and hears the questions, nor the one that hears the answers', async () => {
    const [ours, theirs] = await tcpPair();
    const clock = new VirtualClock();
    const targets = { agent: echo, dial: () => Promise.reject(new Error('nothing')) };
    void answerTunnel(theirs, { use: 'bulk', targets, clock });
    const tunnel = callTunnel(ours, 'bulk', clock);
    for (let seconds = 0; seconds < 60; seconds += 5) {
      const before = [ours.bytesRead, theirs.bytesRead];
      await clock.advance(5_000);
      while (ours.bytesRead === before[0] || theirs.bytesRead === before[1])
        await new Promise((resolve) => setImmediate(resolve));
    }
    expect([ours.destroyed, theirs.destroyed]).toEqual([false, false]);
    tunnel.close();
  });

  test('ends the streams with what was noticed', async () => {
    const [ours] = await tcpPair();
    const clock = new VirtualClock();
    const opening = callTunnel(ours, 'interactive', clock).open({ kind: 'agent' });
    const refused = expect(opening).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: 'nothing was heard of the other side for 10 s',
    });
    await clock.advance(14_000);
    await refused;
  });
});

test('a reason that cannot be decoded breaks the one stream, not the process that reads it', async () => {
  const [ours, theirs] = await tcpPair();
  const far = http2.performServerHandshake(theirs);
  far.on('stream', (stream) =>
    stream.respond({ ':status': 502, 'gantry-error': '100%' }, { endStream: true }),
  );
  const tunnel = callTunnel(ours, 'bulk', systemClock);
  await expect(tunnel.open({ kind: 'agent' })).rejects.toMatchObject({ message: '100%' });
  far.destroy();
  await tunnel.closed;
});

test('a stream too many is refused, and there is room again when one has ended', async () => {
  const [ours, theirs] = await tcpPair();
  const targets = { agent: echo, dial: async () => new PassThrough() };
  void answerTunnel(theirs, { use: 'bulk', targets, clock: systemClock });
  const tunnel = callTunnel(ours, 'bulk', systemClock);
  const streams = await Promise.all(
    Array.from({ length: 500 }, () => tunnel.open({ kind: 'dial', address: 'x' })),
  );
  await expect(tunnel.open({ kind: 'agent' })).rejects.toMatchObject({ reason: 'TooManyRequests' });
  const gone = once(streams[0]!, 'close');
  streams[0]!.destroy();
  await gone;
  await tunnel.open({ kind: 'agent' });
  tunnel.close();
});
