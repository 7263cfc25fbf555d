import type { Duplex } from 'node:stream';
import { StatusError } from '#machinery/errors.ts';

const HEAD_LIMIT_BYTES = 64 * 1024;

/** Reads the head of an HTTP/1.1 answer and leaves the rest in the stream (RFC 9112, section 2). */
export async function readHead(stream: Duplex): Promise<{ status: number; headers: Record<string, string> }> {
  let held = Buffer.alloc(0);
  for (;;) {
    const end = held.indexOf('\r\n\r\n');
    if (end >= 0) {
      stream.unshift(held.subarray(end + 4));
      return parseHead(held.toString('latin1', 0, end));
    }
    if (held.length > HEAD_LIMIT_BYTES)
      throw new StatusError('InternalError', 'the head of an answer is too large');
    held = Buffer.concat([held, await chunkOf(stream)]);
  }
}

function chunkOf(stream: Duplex): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunk = stream.read() as Buffer | null;
    if (chunk) return resolve(chunk);
    const done = () => {
      stream.off('readable', ready);
      stream.off('end', ended);
      stream.off('close', ended);
    };
    const ended = () => {
      done();
      reject(new StatusError('ServiceUnavailable', 'the connection ended before it was answered'));
    };
    const ready = () => {
      const read = stream.read() as Buffer | null;
      if (!read) return;
      done();
      resolve(read);
    };
    stream.on('readable', ready);
    stream.once('end', ended);
    stream.once('close', ended);
  });
}

function parseHead(text: string): { status: number; headers: Record<string, string> } {
  const [first = '', ...lines] = text.split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { status: Number(first.split(' ')[1]), headers };
}
