import { basename, dirname, normalize } from 'node:path';
import type { FileStat, Files } from './io.ts';

export type FilesOperation = keyof Files;

/**
 * Files in memory with failure knobs. `failNext` makes the next matching operation reject with a system error and
 * change nothing, as a full or broken disk would.
 */
export class MemoryFiles implements Files {
  readonly #files = new Map<string, { data: Uint8Array; mode: number; modifiedMs: number }>();
  readonly #directories = new Map<string, number>([
    ['/', 0o755],
    ['.', 0o755],
  ]);
  readonly #failures: { operation: FilesOperation; code: string; path: string | undefined }[] = [];
  readonly #now: () => number;
  /** Every operation that was asked for, in order. */
  readonly operations: { operation: FilesOperation; path: string }[] = [];

  constructor(now: () => number = () => 0) {
    this.#now = now;
  }

  /** The next `operation` (on `path`, when given) rejects with `code`: ENOSPC, EIO, EACCES. */
  failNext(operation: FilesOperation, code = 'EIO', path?: string): void {
    this.#failures.push({ operation, code, path: path && normalize(path) });
  }

  /** Permission bits of a file, to assert that secrets are 0600. */
  mode(path: string): number | undefined {
    return this.#files.get(normalize(path))?.mode;
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const at = this.#begin('read', path);
    if (this.#directories.has(at)) throw failure('EISDIR', 'read', at);
    return this.#files.get(at)?.data.slice();
  }

  async write(path: string, data: Uint8Array | string, mode = 0o644): Promise<void> {
    const at = this.#begin('write', path);
    if (!this.#directories.has(dirname(at))) throw failure('ENOENT', 'write', at);
    if (this.#directories.has(at)) throw failure('EISDIR', 'write', at);
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data.slice();
    this.#files.set(at, { data: bytes, mode, modifiedMs: this.#now() });
  }

  async mkdir(path: string, mode = 0o755): Promise<void> {
    const at = this.#begin('mkdir', path);
    for (let each = at; !this.#directories.has(each); each = dirname(each)) {
      if (this.#files.has(each)) throw failure('ENOTDIR', 'mkdir', at);
      this.#directories.set(each, mode);
    }
  }

  async remove(path: string): Promise<void> {
    const at = this.#begin('remove', path);
    for (const map of [this.#files, this.#directories]) {
      for (const each of [...map.keys()]) if (each === at || each.startsWith(`${at}/`)) map.delete(each);
    }
  }

  async list(path: string): Promise<string[]> {
    const at = this.#begin('list', path);
    const names = [...this.#files.keys(), ...this.#directories.keys()].filter(
      (each) => each !== at && dirname(each) === at,
    );
    return names.map((each) => basename(each)).sort();
  }

  async stat(path: string): Promise<FileStat | undefined> {
    const at = this.#begin('stat', path);
    if (this.#directories.has(at)) return { sizeBytes: 0, modifiedMs: 0, isDirectory: true };
    const file = this.#files.get(at);
    return file && { sizeBytes: file.data.length, modifiedMs: file.modifiedMs, isDirectory: false };
  }

  async rename(from: string, to: string): Promise<void> {
    const [source, target] = [this.#begin('rename', from), normalize(to)];
    if (!this.#files.has(source) && !this.#directories.has(source)) throw failure('ENOENT', 'rename', source);
    for (const map of [this.#files, this.#directories] as Map<string, unknown>[]) {
      for (const [each, value] of [...map]) {
        if (each !== source && !each.startsWith(`${source}/`)) continue;
        map.delete(each);
        map.set(target + each.slice(source.length), value);
      }
    }
  }

  #begin(operation: FilesOperation, path: string): string {
    const at = normalize(path).replace(/(?<=.)\/$/, '');
    this.operations.push({ operation, path: at });
    const index = this.#failures.findIndex(
      (each) => each.operation === operation && (each.path === undefined || each.path === at),
    );
    if (index >= 0) throw failure(this.#failures.splice(index, 1)[0]!.code, operation, at);
    return at;
  }
}

function failure(code: string, operation: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code, path });
}
