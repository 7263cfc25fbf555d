import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LineCounter, parseAllDocuments } from 'yaml';

/** An object of a file, and where it stands there. */
export interface SourceObject {
  object: Record<string, unknown>;
  /** `hello.yaml:12`. */
  where: string;
}

/** Every fault of every file at once, each with file, line and column. */
export class DocumentError extends Error {
  override readonly name = 'DocumentError';
}

/** More than a person writes; a bound against alias bombs, too. */
const FILE_LIMIT_BYTES = 32 * 1024 * 1024;
const MAX_ALIASES = 100;

/** Reads `-` (standard input), a file, or the .yaml, .yml and .json files of a folder and its subfolders. */
export function readSources(
  paths: readonly string[],
  readStdin: () => string,
): { name: string; text: string }[] {
  return paths.flatMap((path) => {
    if (path === '-') return [{ name: '<stdin>', text: readStdin() }];
    return filesOf(path).map((file) => {
      if (statSync(file).size > FILE_LIMIT_BYTES) throw new DocumentError(`${file}: larger than 32 MiB`);
      return { name: file, text: readFileSync(file, 'utf8') };
    });
  });
}

function filesOf(path: string): string[] {
  if (!existsSync(path)) throw new DocumentError(`${path}: no such file or folder`);
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(ya?ml|json)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** The objects of some files, in order; lists are taken apart. Throws DocumentError. */
export function parseObjects(sources: readonly { name: string; text: string }[]): SourceObject[] {
  const faults: string[] = [];
  const objects = sources.flatMap(({ name, text }) => {
    const counter = new LineCounter();
    const found: SourceObject[] = [];
    for (const document of parseAllDocuments(text, {
      lineCounter: counter,
      version: '1.1',
      customTags: noTimestamps,
    })) {
      const at = (offset: number) => {
        const { line, col } = counter.linePos(offset);
        return `${name}:${line}:${col}`;
      };
      if (document.errors.length > 0) {
        // The first fault: what follows in the same document is mostly its echo.
        const [error] = document.errors;
        faults.push(
          `${at(error!.pos[0])}: ${error!.message.replace(/ at line \d+, column \d+:[\s\S]*$/, '')}`,
        );
        continue;
      }
      const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
      if (value === null || value === undefined) continue;
      const start = at(document.contents?.range?.[0] ?? 0);
      if (typeof value !== 'object' || Array.isArray(value))
        faults.push(`${start}: an object is expected here`);
      else found.push(...takeApart(value as Record<string, unknown>, start.replace(/:\d+$/, '')));
    }
    return found;
  });
  for (const { object, where } of objects)
    faults.push(...missingParts(object).map((part) => `${where}: ${part}`));
  if (faults.length > 0) throw new DocumentError(faults.join('\n'));
  return objects;
}

/** A List of any kind is its items. */
function takeApart(object: Record<string, unknown>, where: string): SourceObject[] {
  const items = object['items'];
  const isList =
    typeof object['kind'] === 'string' && object['kind'].endsWith('List') && Array.isArray(items);
  if (!isList) return [{ object, where }];
  return (items as Record<string, unknown>[]).map((item) => ({ object: item, where }));
}

function missingParts(object: Record<string, unknown>): string[] {
  const metadata = object['metadata'] as { name?: unknown } | undefined;
  const faults: string[] = [];
  if (typeof object['apiVersion'] !== 'string') faults.push('apiVersion is missing');
  if (typeof object['kind'] !== 'string') faults.push('kind is missing');
  if (typeof metadata?.name !== 'string') faults.push('metadata.name is missing');
  return faults;
}

/** Kubernetes reads dates as strings. */
function noTimestamps<T extends { tag?: string } | string>(tags: T[]): T[] {
  return tags.filter((tag) =>
    typeof tag === 'string' ? tag !== 'timestamp' : !tag.tag?.endsWith(':timestamp'),
  );
}
