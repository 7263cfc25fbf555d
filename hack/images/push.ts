import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { imageOf } from './archive.ts';
import type { Recipe } from './recipes.ts';

/** Pushes an image to a registry on this machine, by the OCI distribution protocol; returns the manifest's digest. */
export async function pushImage(
  recipe: Recipe,
  registry: string,
  repository: string,
  tag: string,
): Promise<string> {
  const { config, layers } = imageOf(recipe);
  const base = `http://${registry}/v2/${repository}`;
  const descriptors = [];
  for (const { tar } of layers) {
    const blob = gzipSync(tar);
    descriptors.push({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      ...(await pushBlob(base, blob)),
    });
  }
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...(await pushBlob(base, config)) },
    layers: descriptors,
  });
  const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' };
  await expectOk(await fetch(`${base}/manifests/${tag}`, { method: 'PUT', headers, body: manifest }));
  return `sha256:${createHash('sha256').update(manifest).digest('hex')}`;
}

async function pushBlob(base: string, blob: Buffer): Promise<{ digest: string; size: number }> {
  const digest = `sha256:${createHash('sha256').update(blob).digest('hex')}`;
  const start = await expectOk(await fetch(`${base}/blobs/uploads/`, { method: 'POST' }));
  const location = new URL(start.headers.get('location')!, base);
  location.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream' };
  await expectOk(await fetch(location, { method: 'PUT', headers, body: new Uint8Array(blob) }));
  return { digest, size: blob.length };
}

async function expectOk(response: Response): Promise<Response> {
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
  return response;
}
