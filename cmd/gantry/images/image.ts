import { request } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { familiarName, parseReference } from '#oci/reference.ts';
import { pathsOf } from '../paths.ts';
import { formatBytes, formatTable } from '../table.ts';
import type { ImageRow } from './image-api.ts';
import { forgetLoaded } from './image-names.ts';

/** `gantry image ls [-o json]`. */
export async function listImages(flags: { dataDir: string; output?: string }): Promise<number> {
  const images = await askAgent<ImageRow[]>(flags.dataDir, 'GET', '/images');
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

/** `gantry image rm NAME...`: from this node, and the name from the cluster where this machine may take it. */
export async function removeImages(
  names: string[],
  flags: { dataDir: string; kubeconfig?: string },
): Promise<number> {
  for (const name of names) {
    const missing = await askAgent(flags.dataDir, 'DELETE', `/images?name=${encodeURIComponent(name)}`).then(
      () => undefined,
      (error) => {
        if ((error as { status?: number }).status !== 404) throw error;
        return error;
      },
    );
    // The other nodes may have it, and this one not. In use here, it stays in the cluster too.
    const wasLoaded = await forgetLoaded(name, flags);
    if (missing && !wasLoaded) throw missing;
    process.stdout.write(`removed ${name}\n`);
  }
  return 0;
}

/** Asks the agent of this machine. */
export function askAgent<T>(dataDir: string, method: string, path: string, body?: Readable): Promise<T> {
  const socketPath = join(pathsOf(dataDir).run, 'agent.sock');
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const answer = JSON.parse(Buffer.concat(chunks).toString());
      if (response.statusCode === 200) resolve(answer);
      else reject(Object.assign(new Error(answer.message), { status: response.statusCode }));
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
