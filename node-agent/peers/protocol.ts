/**
 * What nodes ask each other, over TLS with their own certificates: `GET` or `HEAD /v1/blobs/sha256:HEX?offset=N` gives the blob
 * from that byte on. 200 with its length, 404 when the node has it not or may not give it, 416 beyond its end, 503 when as many
 * are being served as may be. A HEAD says by the busy header that a GET would have to wait.
 */
export const BUSY_HEADER = 'gantry-busy';

/** Annotation of a Node: the TCP port at its InternalIP where the others are served; left out when it serves none. */
export const IMAGE_PORT_ANNOTATION = 'gantry.dev/image-port';

export function blobPath(digest: string, offset: number): string {
  return `/v1/blobs/${digest}?offset=${offset}`;
}

/** Undefined: it is no such path. */
export function parseBlobPath(path: string): { digest: string; offset: number } | undefined {
  const [, digest, text = ''] = /^\/v1\/blobs\/(sha256:[0-9a-f]{64})\?offset=(\d{1,15})$/.exec(path) ?? [];
  return digest === undefined ? undefined : { digest, offset: Number(text) };
}
