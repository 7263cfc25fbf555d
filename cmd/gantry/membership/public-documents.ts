import { createReadStream } from 'node:fs';
import { programsPath, VERSION_PATH, WELL_KNOWN } from '#api/well-known.ts';
import type { PathHandler } from '#apiserver/contract.ts';
import { version } from '../assets.ts';
import { joinScript } from './join-script.ts';
import { bundleArchitecture, type NodeBundle } from './node-bundle.ts';

/** What anybody may read, because a machine that is to join knows nobody yet. None of it is secret. */
export function publicDocuments(authority: () => string, bundle: () => Promise<NodeBundle>): PathHandler[] {
  const text = (path: string, type: string, content: () => Promise<string>): PathHandler => ({
    path,
    verb: 'get',
    serve: async () => ({
      status: 200,
      headers: { 'content-type': type },
      body: Buffer.from(await content()),
    }),
  });
  return [
    text(`${WELL_KNOWN}/ca.pem`, 'application/x-pem-file', async () => authority()),
    text(`${WELL_KNOWN}/join.sh`, 'text/x-shellscript', async () =>
      joinScript(await bundle(), version, bundleArchitecture),
    ),
    text(VERSION_PATH, 'application/json', async () =>
      JSON.stringify({ version, architecture: bundleArchitecture }),
    ),
    {
      path: programsPath(bundleArchitecture),
      verb: 'get',
      async serve() {
        const { path, bytes } = await bundle();
        const headers = { 'content-type': 'application/gzip', 'content-length': String(bytes) };
        return { status: 200, headers, body: createReadStream(path) };
      },
    },
  ];
}
