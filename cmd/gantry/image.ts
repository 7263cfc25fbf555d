import { createReadStream, existsSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { canonicalName, familiarName, parseReference } from '#oci/reference.ts';
import type { ImageRow } from './image-api.ts';
import { pathsOf } from './paths.ts';
import { formatBytes, formatTable } from './table.ts';

/** `gantry image import FILE [--name NAME]`: a `docker save` or OCI archive, `-` for standard input. */
export async function importImage(file: string, flags: { dataDir: string; name?: string }): Promise<number> {
  if (file !== '-' && !existsSync(file)) throw new Error(`${file} does not exist`);
  const body = file === '-' ? process.stdin : createReadStream(file);
  const query = flags.name ? `?name=${encodeURIComponent(flags.name)}` : '';
  const images = await call<ImageRow[]>(flags.dataDir, 'POST', `/images${query}`, body);
  for (const image of images) process.stdout.write(`imported ${shortNames(image) || image.id}\n`);
  return 0;
}

/** `gantry image ls [-o json]`. */
export async function listImages(flags: { dataDir: string; output?: string }): Promise<number> {
  const images = await call<ImageRow[]>(flags.dataDir, 'GET', '/images');
  if (flags.output === 'json') {
    process.stdout.write(`${JSON.stringify(images, null, 2)}\n`);
    return 0;
  }
  const rows = images.flatMap((image) => {
    const names = image.names.filter((name) => !name.includes('@'));
    return (names.length > 0 ? names : ['<none>']).map((name) => [
      name === '<none>' ? name : familiarName(parseReference(name)),
      image.id.slice('sha256:'.length, 'sha256:'.length + 12),
      formatBytes(image.sizeBytes),
    ]);
  });
  process.stdout.write(formatTable([['NAME', 'IMAGE ID', 'SIZE'], ...rows.sort()]));
  return 0;
}

/** `gantry image rm NAME...`. */
export async function removeImages(names: string[], flags: { dataDir: string }): Promise<number> {
  for (const name of names) {
    await call(flags.dataDir, 'DELETE', `/images?name=${encodeURIComponent(name)}`);
    process.stdout.write(`removed ${name}\n`);
  }
  return 0;
}

function call<T>(dataDir: string, method: string, path: string, body?: Readable): Promise<T> {
  const socketPath = join(pathsOf(dataDir).run, 'agent.sock');
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const answer = JSON.parse(Buffer.concat(chunks).toString());
      if (response.statusCode === 200) resolve(answer);
      else reject(new Error(answer.message));
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      const absent = error.code === 'ENOENT' || error.code === 'ECONNREFUSED';
      reject(absent ? new Error(`no agent is running for ${dataDir}: start it with "gantry up"`) : error);
    });
    if (body) {
      body.on('error', (error) => outgoing.destroy(error));
      body.pipe(outgoing);
    } else outgoing.end();
  });
}

function shortNames(image: ImageRow): string {
  return image.names
    .map((name) => familiarName(parseReference(canonicalName(parseReference(name)))))
    .join(', ');
}
