import { Readable, Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import { send } from './websocket.ts';

/**
 * The channels of `channel.k8s.io`: each binary message begins with the number of its channel. Source: Kubernetes
 * apimachinery pkg/util/httpstream/wsstream, KEP-4006.
 */
export interface Channels {
  /** Bytes of the peer on a channel; ends when the peer closes it (v5) or is gone. */
  readable(channel: number): Readable;
  /** Never fails: bytes for a peer that is gone are dropped. */
  writable(channel: number): Writable;
  /** One message now, in order with those written before. */
  send(channel: number, bytes: Uint8Array): void;
  close(): void;
  closed: Promise<void>;
}

/** v5: a message on this channel closes the channel it names. */
const CLOSE_CHANNEL = 255;

/** `ready`: nothing is sent before; what is written meanwhile waits. */
export function channels(socket: WebSocket, ready: Promise<void> = Promise.resolve()): Channels {
  const readables = new Map<number, Readable>();
  /** Those that can take no more; the connection is paused while there is any. */
  const full = new Set<number>();
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      for (const each of readables.values()) each.push(null);
      readables.clear();
      resolve();
    });
  });
  socket.on('error', () => {}); // `close` follows
  socket.on('message', (data) => {
    const bytes = data as Buffer;
    if (bytes.length === 0) return;
    const channel = bytes[0]!;
    if (channel === CLOSE_CHANNEL) {
      const named = bytes[1] ?? CLOSE_CHANNEL;
      readables.get(named)?.push(null);
      readables.delete(named);
    } else if (bytes.length > 1 && readables.get(channel)?.push(bytes.subarray(1)) === false) {
      full.add(channel);
      socket.pause();
    }
  });

  const message = (channel: number, bytes: Uint8Array) => Buffer.concat([Buffer.of(channel), bytes]);
  let isReady = false;
  const opened = ready.then(() => {
    isReady = true;
  });
  /** In the order of the calls. */
  const inTurn = (act: () => void) => void (isReady ? act() : opened.then(act));
  return {
    readable(channel) {
      const made = new Readable({
        read() {
          if (full.delete(channel) && full.size === 0) socket.resume();
        },
        destroy(_error, done) {
          readables.delete(channel);
          if (full.delete(channel) && full.size === 0) socket.resume();
          done(null);
        },
      });
      readables.set(channel, made);
      return made;
    },
    writable: (channel) =>
      new Writable({
        write: (chunk: Buffer, _encoding, done) =>
          inTurn(() => send(socket, message(channel, chunk), () => done())),
      }),
    send: (channel, bytes) => inTurn(() => send(socket, message(channel, bytes), () => {})),
    close: () => inTurn(() => socket.close(1000)),
    closed,
  };
}
