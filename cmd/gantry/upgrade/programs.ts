import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, readFileSync, realpathSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { programsPath } from '#api/well-known.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Transport } from '#machinery/transport.ts';
import { bundleArchitecture } from '../membership/node-bundle.ts';

/** A folder with all that runs a node or a server, laid out as a checkout is. */
export interface Program {
  folder: string;
  version: string;
}

/** Where a program comes from: its version is known before anything is fetched or written. */
export interface Source {
  version: string;
  /** For people. */
  from: string;
  /** Puts it into a folder of its own below `prefix`, unless it is in one already. Shows how many bytes have come. */
  obtain(prefix: string, show: (bytes: number) => void): Promise<Program>;
}

const execute = promisify(execFile);
const LIST_LIMIT_BYTES = 16 * 1024 * 1024;

/** Throws when there is no program in the folder. */
export function programIn(folder: string): Program {
  const manifest = join(folder, 'package.json');
  if (!existsSync(join(folder, 'bin/gantry')) || !existsSync(manifest))
    throw new Error(`${folder} holds no gantry: it has to have package.json and bin/gantry`);
  return { folder, version: JSON.parse(readFileSync(manifest, 'utf8')).version };
}

/** A folder is used as it is; an archive is unpacked. */
export async function sourceAt(path: string): Promise<Source> {
  if (!existsSync(path)) throw new Error(`${path} does not exist`);
  if ((await stat(path)).isDirectory()) {
    const program = programIn(realpathSync(path));
    const obtain = async () => {
      await tryProgram(program);
      return program;
    };
    return { version: program.version, from: path, obtain };
  }
  const version = await versionInArchive(path);
  return {
    version,
    from: path,
    obtain: (prefix, show) => unpackProgram(createReadStream(path), { version, prefix, show }),
  };
}

/** What a server gives to machines of this kind. */
export function sourceOf(url: string, version: string, transport: Transport): Source {
  return {
    version,
    from: url,
    async obtain(prefix, show) {
      const { status, headers, body } = await transport.request({
        ...{ method: 'GET', path: programsPath(bundleArchitecture), headers: {} },
      });
      if (status !== 200) throw new Error(`${url} answers ${status} when it is asked for the programs`);
      const bytes = body instanceof Uint8Array ? [body] : body;
      const length = Number(headers['content-length']);
      return await unpackProgram(bytes, { version, prefix, show, ...(length > 0 && { length }) });
    },
  };
}

/** All lies below one folder, `gantry-VERSION`. */
async function versionInArchive(path: string): Promise<string> {
  const listed = await execute('tar', ['--list', '--file', resolve(path)], {
    maxBuffer: LIST_LIMIT_BYTES,
  }).catch((error) => {
    throw new Error(`${path} is no archive of programs: ${messageOf(error)}`);
  });
  const version = /^gantry-([^/\n]+)\//.exec(listed.stdout)?.[1];
  if (!version) throw new Error(`${path} is no archive of programs: it has no folder gantry-VERSION`);
  return version;
}

interface Unpacking {
  version: string;
  prefix: string;
  show(bytes: number): void;
  /** How many bytes there are to be. */
  length?: number;
}

/** As join.sh does: into `PREFIX/VERSION-SUM`, which is there whole or not at all. */
async function unpackProgram(
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { version, prefix, show, length }: Unpacking,
): Promise<Program> {
  await mkdir(prefix, { recursive: true });
  const staged = await mkdtemp(join(prefix, '.new.'));
  try {
    const archive = join(staged, 'node.tar.gz');
    const hash = createHash('sha256');
    let count = 0;
    const counted = new Transform({
      transform(chunk: Uint8Array, _, done) {
        hash.update(chunk);
        count += chunk.length;
        show(count);
        done(null, chunk);
      },
    });
    await pipeline(bytes, counted, createWriteStream(archive));
    if (length !== undefined && count !== length)
      throw new Error(`${count} of ${length} bytes of the programs have come`);
    const folder = join(prefix, `${version}-${hash.digest('hex').slice(0, 12)}`);
    if (existsSync(folder)) return programIn(folder);
    await execute('tar', ['--extract', '--file', archive, '--directory', staged, '--no-same-owner']);
    const unpacked = join(staged, `gantry-${version}`);
    await tryProgram({ folder: unpacked, version });
    await rename(unpacked, folder);
    return { folder, version };
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

const TRY_MS = 30_000;

/** Rejects when the program does not run on this machine, or is another one than it should be. */
async function tryProgram({ folder, version }: Program): Promise<void> {
  const { stdout } = await execute(join(folder, 'bin/gantry'), ['--version'], { timeout: TRY_MS }).catch(
    (error) => {
      throw new Error(`gantry ${version} does not run on this machine: ${messageOf(error)}`);
    },
  );
  if (stdout.trim() !== version)
    throw new Error(`${folder} says it is gantry ${stdout.trim()}, and should be ${version}`);
}
