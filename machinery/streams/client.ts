import type { Duplex, Readable } from 'node:stream';
import { type ClientOptions, WebSocket } from 'ws';
import { type Channels, channels } from './channels.ts';
import type { TerminalSize } from './contract.ts';

/** The client side of exec and attach by WebSocket v5.channel.k8s.io, for our own command line and for tests. */
export interface ExecClient {
  stdout: Readable;
  stderr: Readable;
  /** Input for the command, in order. */
  send(bytes: Uint8Array): void;
  resize(size: TerminalSize): void;
  /** Ends the input without ending the connection (v5). */
  closeStdin(): void;
  close(): void;
  closed: Promise<void>;
  /** The Status that says how it ended; rejects when the connection ended without one. */
  status: Promise<{
    status: string;
    message?: string;
    reason?: string;
    details?: { causes?: { message?: string }[] };
  }>;
}

export interface ExecClientOptions extends Pick<ClientOptions, 'ca' | 'cert' | 'key' | 'headers'> {
  /** Instead of dialling the URL's host. */
  connection?: Duplex;
  protocols?: string[];
}

/** Opens `url` (`wss://…/pods/p/exec?command=…`). Rejects with what the server answered instead of an upgrade. */
export async function openExec(url: string, options: ExecClientOptions = {}): Promise<ExecClient> {
  const { connection, protocols = ['v5.channel.k8s.io'], ...rest } = options;
  const socket = new WebSocket(url, protocols, {
    ...rest,
    ...(connection && { createConnection: () => connection as never }),
    perMessageDeflate: false,
  });
  const link = channels(socket);
  // Made before anything can arrive: bytes of a channel that nobody has asked for are dropped.
  const [stdout, stderr] = [link.readable(1), link.readable(2)];
  const status = statusOf(link);
  status.catch(() => {}); // whoever wants to know awaits it
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  return {
    stdout,
    stderr,
    send: (bytes) => link.send(0, bytes),
    close: () => link.close(),
    closed: link.closed,
    status,
    resize: ({ width, height }) =>
      link.send(4, Buffer.from(JSON.stringify({ Width: width, Height: height }))),
    closeStdin: () => link.send(255, Buffer.of(0)),
  };
}

async function statusOf(link: Channels): ExecClient['status'] {
  const chunks: Buffer[] = [];
  for await (const chunk of link.readable(3)) chunks.push(chunk as Buffer);
  if (chunks.length === 0) throw new Error('the connection ended without saying how the command did');
  return JSON.parse(Buffer.concat(chunks).toString());
}
