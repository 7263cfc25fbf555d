import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, realpathSync, statSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { programs, root, version } from '../assets.ts';

/** An archive with all that a node or a server runs: this program, its C programs, and Node itself. */
export interface NodeBundle {
  path: string;
  bytes: number;
  /** Hex. */
  sha256: string;
}

const PROGRAMS = ['helper', 'monitor', 'unpack'];

/** Below the folder `gantry-VERSION`, laid out as a checkout is, so that bin/gantry finds what it needs. */
const PARTS = [
  ...['package.json', 'LICENSE', 'bin/gantry', 'dist/gantry', 'generated'],
  ...PROGRAMS.map((name) => `dist/bin/${name}`),
];
const NODE_AT = 'node_modules/.bin/node';

/** What Node needs and images of clouds do not have; libc and libstdc++ are where apt or dnf is. bin/gantry finds it there. */
const LIBRARY = /^libatomic\.so/;
const LIBRARIES_AT = 'dist/lib';

const execute = promisify(execFile);

/** As Node names it: `x64`, `arm64`. A server has the bundle of its own machine's kind. */
export const bundleArchitecture = process.arch;

/**
 * Gives the bundle, made in `directory` when it is first asked for and when what goes into it has changed. Throws when this program
 * runs from loose sources: `npm run build` makes what can be given to others.
 */
export function bundles(directory: string): () => Promise<NodeBundle> {
  let made: Promise<NodeBundle> | undefined;
  return () => {
    made ??= makeBundle(directory).catch((error) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

async function makeBundle(directory: string): Promise<NodeBundle> {
  const missing = PARTS.filter((part) => !existsSync(join(root, part)));
  if (missing.length > 0)
    throw new Error(
      `there is no bundle for nodes: ${missing.join(', ')} is missing in ${root} (npm run build)`,
    );
  const foreign = [realpathSync(process.execPath), ...libraries()];
  const path = join(directory, `gantry-${version}-${bundleArchitecture}-${stampOf(foreign)}.tar.gz`);
  if (!existsSync(path)) await pack(directory, path, foreign);
  return { path, bytes: statSync(path).size, sha256: await hashOf(path) };
}

/** Paths of those that this Node has loaded. */
function libraries(): string[] {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork: boolean };
  // Else it asks for the names of all peers, which may take long.
  report.excludeNetwork = true;
  const { sharedObjects } = report.getReport() as unknown as { sharedObjects: string[] };
  return sharedObjects.filter((path) => LIBRARY.test(basename(path)));
}

/** Differs when any part does. */
function stampOf(foreign: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of [
    ...foreign,
    join(root, 'dist/gantry'),
    ...PROGRAMS.map((name) => join(programs, name)),
  ]) {
    const { size, mtimeMs } = statSync(part);
    hash.update(`${part} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 12);
}

/** `foreign`: Node's program and libraries, which get a place of their own. */
async function pack(directory: string, path: string, foreign: readonly string[]): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const half = `${path}.new`;
  const [node, ...others] = foreign.map((one) => basename(one));
  const places = [`s,^${node}$,${NODE_AT},`, ...others.map((name) => `s,^${name}$,${LIBRARIES_AT}/&,`)];
  await execute('tar', [
    ...['--create', '--dereference', '--use-compress-program', 'gzip -1', '--file', half],
    ...['--owner=0', '--group=0', '--numeric-owner', '--sort=name'],
    `--transform=${[...places, `s,^,gantry-${version}/,`].join(';')}`,
    ...['--directory', root, ...PARTS],
    ...foreign.flatMap((one) => ['--directory', dirname(one), basename(one)]),
  ]);
  await rename(half, path);
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}
