import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Digest } from '../contract.ts';
import type { TestImage } from './image.ts';

/** A registry on loopback with knobs for what can go wrong. */
export class TestRegistry {
  readonly requests: string[] = [];
  /** Answers instead of the real one, by path. */
  readonly overrides = new Map<string, (response: ServerResponse) => void>();
  /** When set, a bearer token is asked for and given to this user only. */
  credentials: { username: string; password: string } | undefined;
  readonly #documents = new Map<string, { type: string; data: Buffer }>();
  readonly #blobs = new Map<Digest, Buffer>();
  readonly #server = createServer((request, response) => this.#serve(request, response));

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  add(repository: string, tag: string, image: TestImage): void {
    const document = { type: image.manifestType, data: image.manifest };
    this.#documents.set(`${repository}/manifests/${tag}`, document);
    this.#documents.set(`${repository}/manifests/${image.manifestDigest}`, document);
    for (const [digest, data] of image.blobs) this.#blobs.set(digest, data);
  }

  addDocument(repository: string, tag: string, type: string, data: Buffer): void {
    this.#documents.set(`${repository}/manifests/${tag}`, { type, data });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url!;
    this.requests.push(`${request.method} ${path}`);
    const override = this.overrides.get(path);
    if (override) override(response);
    else if (path.startsWith('/token')) this.#token(request, response);
    else if (this.credentials && request.headers.authorization !== 'Bearer good') this.#challenge(response);
    else this.#content(path, response);
  }

  #challenge(response: ServerResponse): void {
    const realm = `Bearer realm="http://${this.host}/token",service="test",scope="repository:x:pull"`;
    response.writeHead(401, { 'www-authenticate': realm }).end('{"errors":[{"code":"UNAUTHORIZED"}]}');
  }

  #content(path: string, response: ServerResponse): void {
    const rest = path.replace(/^\/v2\//, '');
    const document = this.#documents.get(rest);
    const blob = this.#blobs.get(rest.split('/blobs/')[1] ?? '');
    if (document) response.writeHead(200, { 'content-type': document.type }).end(document.data);
    else if (blob) response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(blob);
    else response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
  }

  #token(request: IncomingMessage, response: ServerResponse): void {
    const { username, password } = this.credentials!;
    const wanted = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    if (request.headers.authorization === wanted) response.end('{"token":"good"}');
    else response.writeHead(401).end('{}');
  }
}
