import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * Where the program's own files are: it runs as a bundle (dist/gantry/gantry.js) or from loose sources, and finds the
 * same things from both.
 */
const bundled = import.meta.url.endsWith('.js');
const here = dirname(fileURLToPath(import.meta.url));

/** The folder with package.json. */
export const root = findRoot(here);

/** The C programs. */
export const programs = join(root, 'dist', 'bin');

export const version: string = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;

/** What a child process of ours is started with, after the Node binary. */
export const mainProgram = bundled ? join(here, 'gantry.js') : join(root, 'cmd', 'gantry', 'index.ts');

export const storeWorker = workerUrl('store-worker', 'store/sqlite/worker.ts');
export const controlWorker = workerUrl('control-worker', 'cmd/gantry/control/worker.ts');

/** Built from the API's models by `npm run generate`. */
export const generated = join(root, 'generated');

function workerUrl(inBundle: string, source: string): URL {
  return pathToFileURL(bundled ? join(here, `${inBundle}.js`) : join(root, source));
}

/** The folder of the program that a file belongs to. */
export function findRoot(from: string): string {
  for (let at = from; ; at = dirname(at)) {
    if (existsSync(join(at, 'package.json'))) return at;
    if (at === dirname(at)) throw new Error(`no package.json above ${from}: the installation is not whole`);
  }
}
