import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { StatusError } from '#machinery/errors.ts';
import { BODY_LIMIT_BYTES, tooLarge } from '../encoding/body.ts';

/** Whether a request of this method may say something in its body. */
export function mayHaveBody(method: string | undefined): boolean {
  return method !== 'GET' && method !== 'HEAD';
}

/** The whole body; undefined when there is none. RequestEntityTooLarge beyond the limit, which is not read to its end. */
export function readBody(raw: Readable, headers: IncomingHttpHeaders): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    if (Number(headers['content-length'] ?? 0) > BODY_LIMIT_BYTES) {
      reject(tooLarge());
      return;
    }
    const chunks: Buffer[] = [];
    let length = 0;
    const stop = () => {
      raw.off('data', take).off('end', finish).off('close', broken).off('error', broken);
    };
    const take = (chunk: Buffer) => {
      length += chunk.length;
      chunks.push(chunk);
      if (length <= BODY_LIMIT_BYTES) return;
      stop();
      raw.pause();
      reject(tooLarge());
    };
    const finish = () => {
      stop();
      resolve(length === 0 ? undefined : chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length));
    };
    const broken = () => {
      stop();
      reject(new StatusError('BadRequest', 'the body of the request broke off'));
    };
    raw.on('data', take).once('end', finish).once('close', broken).once('error', broken);
  });
}
