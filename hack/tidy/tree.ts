import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** A file of the tree as the checks see it. */
export interface SourceFile {
  /** From the root: `apiserver/cache/ring.ts`. */
  path: string;
  lines: string[];
  /** Files of ours it imports, from the root; `typeOnly` ones vanish at run time. */
  imports: { path: string; line: number; spelled: string }[];
}

export interface Tree {
  root: string;
  files: SourceFile[];
  /** Every path, of any kind of file. */
  paths: string[];
}

/** Reads what git tracks or would track below `root`. */
export function readTree(root: string): Tree {
  const list = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  const paths = [...new Set(list.split('\n'))].filter((path) => path && existsSync(join(root, path)));
  const files = paths
    .filter((path) => /\.(ts|c|h)$/.test(path))
    .map((path) => toSource(path, readFileSync(join(root, path), 'utf8')));
  return { root, files, paths };
}

export function toSource(path: string, text: string): SourceFile {
  const lines = text.split('\n');
  return { path, lines, imports: path.endsWith('.ts') ? importsOf(path, text) : [] };
}

const IMPORT = /(?:from|import|import\()\s*'([#.][^']+)'|new URL\('(\.[^']+)', import\.meta\.url\)/g;

function importsOf(path: string, text: string): SourceFile['imports'] {
  const found: SourceFile['imports'] = [];
  for (const match of text.matchAll(IMPORT)) {
    const spelled = match[1] ?? match[2]!;
    const line = text.slice(0, match.index).split('\n').length;
    const target = spelled.startsWith('#') ? spelled.slice(1) : normalize(join(dirname(path), spelled));
    found.push({ path: target, line, spelled });
  }
  return found;
}
