import { readFileSync } from 'node:fs';
import * as http2 from 'node:http2';
import { parse } from 'yaml';

/** A bounded HTTP/2 load with the admin's certificate, from this process. */
export class HttpLoad {
  readonly #session: http2.ClientHttp2Session;

  /** `windowBytes`: what the server may send on each stream before it is read. `server`: another one than the cluster's. */
  constructor(kubeconfig: string, windowBytes = 4 * 1024 * 1024, server?: string) {
    const config = parse(readFileSync(kubeconfig, 'utf8'));
    const decode = (data: string) => Buffer.from(data, 'base64');
    const { cluster } = config.clusters[0];
    const { user } = config.users[0];
    this.#session = http2.connect(server ?? cluster.server, {
      ca: decode(cluster['certificate-authority-data']),
      cert: decode(user['client-certificate-data']),
      key: decode(user['client-key-data']),
      settings: { initialWindowSize: windowBytes },
      // A bare server on loopback has the certificate of the cluster's, whatever its name.
      ...(server && { checkServerIdentity: () => undefined }),
    });
    this.#session.on('connect', () => this.#session.setLocalWindowSize(64 * 1024 * 1024));
  }

  request(
    method: string,
    path: string,
    body?: string,
    contentType = 'application/json',
  ): Promise<{ status: number; bytes: number }> {
    return new Promise((resolve, reject) => {
      const headers = {
        ':method': method,
        ':path': path,
        accept: 'application/json',
        'content-type': contentType,
      };
      const stream = this.#session.request(headers);
      let status = 0;
      let bytes = 0;
      stream.on('response', (answer) => {
        status = answer[':status'] ?? 0;
      });
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      stream.on('end', () => resolve({ status, bytes }));
      stream.on('error', reject);
      stream.end(body);
    });
  }

  /** Requests per second of `count` calls, `width` at a time. Fails when one is not answered with `wanted`. */
  async rate(
    count: number,
    width: number,
    wanted: number,
    call: (i: number) => Promise<{ status: number }>,
  ): Promise<number> {
    let next = 0;
    const started = performance.now();
    const lane = async () => {
      while (next < count) {
        const { status } = await call(next++);
        if (status !== wanted) throw new Error(`answered ${status} instead of ${wanted}`);
      }
    };
    await Promise.all(Array.from({ length: width }, lane));
    return count / ((performance.now() - started) / 1000);
  }

  text(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({ ':path': path });
      let text = '';
      stream.setEncoding('utf8');
      stream.on('data', (chunk: string) => {
        text += chunk;
      });
      stream.on('end', () => resolve(text));
      stream.on('error', reject);
      stream.end();
    });
  }

  /**
   * Reads a watch until it is closed; what it brings is thrown away unless somebody takes it. `unread`: does not read at
   * all. `broken` resolves when the server ends it.
   */
  watch(
    path: string,
    take?: ((text: string) => void) | 'unread',
  ): { open: Promise<void>; broken: Promise<void>; close(): void } {
    const stream = this.#session.request({ ':path': path, accept: 'application/json' });
    if (typeof take === 'function') stream.setEncoding('latin1').on('data', take);
    else if (take !== 'unread') stream.resume();
    const broken = new Promise<void>((resolve) => stream.once('close', () => resolve()));
    const open = new Promise<void>((resolve, reject) => {
      stream.once('response', ({ ':status': status }) => {
        if (status === 200) resolve();
        else reject(new Error(`a watch was answered ${status}`));
      });
    });
    // The end of a watch that was closed here is no news.
    stream.on('error', () => {});
    return { open, broken, close: () => stream.close(http2.constants.NGHTTP2_CANCEL) };
  }

  /** Ends what is under way too. */
  destroy(): void {
    this.#session.destroy();
  }

  close(): void {
    this.#session.close();
  }
}
