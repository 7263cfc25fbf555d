import { createReadStream } from 'node:fs';
import { WELL_KNOWN } from '#api/well-known.ts';
import type { PathHandler } from '#apiserver/contract.ts';
import { version } from './assets.ts';
import { joinScript } from './join-script.ts';
import { bundleArchitecture, type NodeBundle } from './node-bundle.ts';

/** What anybody may read, because a machine that is to join knows nobody yet. None of it is secret. */
export function publicDocuments(authority: () => string, bundle: () => Promise<NodeBundle>): PathHandler[] {
  const text = (name: string, type: string, content: () => Promise<string>): PathHandler => ({
    path: `${WELL_KNOWN}/${name}`,
    verb: 'get',
    serve: async () => ({
      status: 200,
      headers: { 'content-type': type },
      body: Buffer.from(await content()),
    }),
  });
  return [
    text('ca.pem', 'application/x-pem-file', async () => authority()),
    text('join.sh', 'text/x-shellscript', async () =>
      joinScript(await bundle(), version, bundleArchitecture),
    ),
    {
      path: `${WELL_KNOWN}/node-${bundleArchitecture}.tar.gz`,
      verb: 'get',
      async serve() {
        const { path, bytes } = await bundle();
        const headers = { 'content-type': 'application/gzip', 'content-length': String(bytes) };
        return { status: 200, headers, body: createReadStream(path) };
      },
    },
  ];
}
