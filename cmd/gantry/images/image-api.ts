import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:http';
import {
  type BlobRef,
  type Digest,
  type Image,
  ImageError,
  type ImageErrorCode,
  type ImageSource,
  type ImageStore,
} from '#oci/contract.ts';

/**
 * The agent's local door for `gantry image`: HTTP on a unix socket in the instance's private run directory, so that only
 * root of this machine reaches it. GET /images, POST /images?name=, DELETE /images?name=.
 */
export function imageApi(door: ImageDoor): Server {
  return createServer((request, response) => {
    serve(door, request).then(
      (body) => answer(response, 200, body),
      (error: unknown) => {
        const code = error instanceof ImageError ? STATUS[error.code] : 500;
        answer(response, code, { message: (error as Error).message });
      },
    );
  });
}

export interface ImageDoor {
  store: ImageStore;
  inUse(images: readonly Image[]): ReadonlySet<Digest>;
  /** Told of each image that has come or gone. */
  changed(): void;
}

const STATUS: Record<ImageErrorCode, number> = {
  InvalidReference: 400,
  NotFound: 404,
  Unauthorized: 403,
  Unreachable: 502,
  DigestMismatch: 422,
  Unsupported: 422,
  InUse: 409,
  NoSpace: 507,
  Invalid: 422,
};

async function serve({ store, inUse, changed }: ImageDoor, request: IncomingMessage): Promise<unknown> {
  const url = new URL(request.url ?? '/', 'http://local');
  const name = url.searchParams.get('name') ?? undefined;
  const route = `${request.method} ${url.pathname}`;
  if (route === 'GET /images') return (await store.list()).map(toJson);
  if (route === 'POST /images') {
    const images = await store.import(request, name);
    changed();
    return images.map(toJson);
  }
  if (route === 'DELETE /images' && name) {
    await store.remove(name, inUse(await store.list()));
    changed();
    return {};
  }
  throw new ImageError('NotFound', `no such route: ${route}`);
}

/** What `gantry image` shows of an image. */
export interface ImageRow {
  id: Digest;
  names: string[];
  sizeBytes: number;
  source: ImageSource;
  manifest?: BlobRef;
}

function toJson({ id, names, sizeBytes, source, manifest }: Image): ImageRow {
  return { id, names, sizeBytes, source, ...(manifest && { manifest }) };
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  // What was not read of a refused upload would keep the connection from its next request.
  if (status >= 400) response.setHeader('connection', 'close');
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
