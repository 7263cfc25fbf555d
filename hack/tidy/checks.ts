import { functionsOf } from './functions.ts';
import {
  ALLOWED_NAMES,
  BANNED,
  BANNED_NAMES,
  CONTRACTS,
  LEAVES,
  MAX_C_FILE_LINES,
  MAX_C_FUNCTION_LINES,
  MAX_FILE_LINES,
  MAX_FUNCTION_LINES,
  MAX_TEST_FILE_LINES,
  MAY_IMPORT,
  MIN_COMMENT_SHARE,
  P95_FILE_LINES,
  P95_FUNCTION_LINES,
  ROOMS,
  type Room,
  SHARED_FOLDERS,
  SIBLINGS,
  TRANSCRIPTS,
  WITHOUT_CONFORMANCE,
} from './rules.ts';
import type { SourceFile, Tree } from './tree.ts';

/** What is wrong and where: `path:line: message`. */
export type Finding = string;

/** A check is pure over the tree, so that tests can show each one a planted fault. */
export type Check = { name: string; run(tree: Tree): Finding[] };

export const CHECKS: readonly Check[] = [
  { name: 'import table', run: checkImports },
  { name: 'siblings', run: checkSiblings },
  { name: 'banned calls', run: checkBanned },
  { name: 'sizes', run: checkSizes },
  { name: 'functions', run: checkFunctions },
  { name: 'comments', run: checkComments },
  { name: 'contracts', run: checkContracts },
  { name: 'names', run: checkNames },
  { name: 'dead files', run: checkDead },
  { name: 'transcripts', run: checkTranscripts },
  { name: 'places', run: checkPlaces },
];

function roomOf(path: string): Room | undefined {
  const first = path.split('/')[0];
  return ROOMS.find((room) => room === first);
}

function isTest(path: string): boolean {
  return /\.test\.ts$|conformance\.ts$|\/testing\//.test(path);
}

/** Each room imports only the rooms its row of the table names; by `#room/…` across rooms, by `./` inside. */
function checkImports({ files }: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const file of files) {
    const from = roomOf(file.path);
    if (!from) continue;
    for (const { path, line, spelled } of file.imports) {
      const to = roomOf(path);
      const where = `${file.path}:${line}`;
      if (!to) continue;
      if (to === from && spelled.startsWith('#'))
        findings.push(`${where}: inside a room, import ${path} by a relative path`);
      if (to !== from && spelled.startsWith('.')) findings.push(`${where}: import ${path} as #${path}`);
      if (to !== from && !mayImport(from, to))
        findings.push(`${where}: ${from} must not import ${to} (docs/design.md)`);
    }
  }
  return findings;
}

function mayImport(from: Room, to: Room): boolean {
  const leaf = LEAVES[to];
  if (leaf) return leaf.includes(from);
  const row = MAY_IMPORT[from];
  return row === 'anything' || row.includes(to);
}

/** Driver never imports driver, controller never imports controller. */
function checkSiblings({ files }: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const file of files.filter(({ path }) => !isTest(path))) {
    for (const parent of SIBLINGS) {
      const mine = childOf(file.path, parent);
      if (!mine || isShared(mine)) continue;
      for (const { path, line } of file.imports) {
        const other = childOf(path, parent);
        if (other && other !== mine && !isShared(other)) {
          findings.push(`${file.path}:${line}: ${mine} must not import its sibling ${other}`);
        }
      }
    }
  }
  return findings;
}

function childOf(path: string, parent: string): string | undefined {
  if (!path.startsWith(`${parent}/`)) return undefined;
  const [child, ...rest] = path.slice(parent.length + 1).split('/');
  return rest.length > 0 ? `${parent}/${child}` : undefined;
}

function isShared(folder: string): boolean {
  return (SHARED_FOLDERS as readonly string[]).includes(folder);
}

function checkBanned({ files }: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const { path, lines } of files.filter((file) => file.path.endsWith('.ts'))) {
    for (const { pattern, what, allowed } of BANNED) {
      if (allowed.test(path)) continue;
      for (const [i, line] of lines.entries()) {
        if (!/^\s*(\/\/|\*|\/\*)/.test(line) && pattern.test(line))
          findings.push(`${path}:${i + 1}: ${what}`);
      }
    }
  }
  return findings;
}

function checkSizes({ files }: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const file of files) {
    const limit = limitOf(file);
    if (file.lines.length > limit)
      findings.push(`${file.path}: ${file.lines.length} lines, at most ${limit}: split it`);
  }
  const p95 = percentile95(files.filter(({ path }) => !isTest(path)).map(({ lines }) => lines.length));
  if (p95 > P95_FILE_LINES)
    findings.push(`the 95th percentile of file lengths is ${p95}, at most ${P95_FILE_LINES}`);
  return findings;
}

function percentile95(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.95)] ?? 0;
}

/** A function fits a screen. */
function checkFunctions({ files }: Tree): Finding[] {
  const functions = files.filter(({ path }) => !isTest(path)).flatMap(functionsOf);
  const findings = functions.flatMap(({ path, line, lines }) => {
    const limit = path.endsWith('.ts') ? MAX_FUNCTION_LINES : MAX_C_FUNCTION_LINES;
    return lines > limit ? [`${path}:${line}: a function of ${lines} lines, at most ${limit}: split it`] : [];
  });
  const p95 = percentile95(functions.map(({ lines }) => lines));
  if (p95 > P95_FUNCTION_LINES)
    findings.push(`the 95th percentile of function lengths is ${p95}, at most ${P95_FUNCTION_LINES}`);
  return findings;
}

/** Enough is said about why; where nothing is to be explained, a small tree is let off. */
function checkComments({ files }: Tree): Finding[] {
  const lines = files
    .filter(({ path }) => !isTest(path))
    .flatMap((file) => file.lines.filter((line) => line.trim()));
  const comments = lines.filter((line) => /^\s*(\/\/|\*|\/\*)/.test(line)).length;
  const share = comments / lines.length;
  if (lines.length < 1000 || share >= MIN_COMMENT_SHARE) return [];
  return [
    `${(100 * share).toFixed(1)} % of lines are comments, at least ${100 * MIN_COMMENT_SHARE} %: say why`,
  ];
}

/** Each contract has its suite beside it, and says what each function of it is for. */
function checkContracts({ files, paths }: Tree): Finding[] {
  const without = paths
    .filter((path) => path.endsWith('/contract.ts'))
    .map((path) => path.slice(0, -'/contract.ts'.length))
    .filter((folder) => !(WITHOUT_CONFORMANCE as readonly string[]).includes(folder))
    .filter((folder) => !paths.includes(`${folder}/conformance.ts`))
    .map((folder) => `${folder}/contract.ts has no conformance.ts beside it`);
  const silent = files
    .filter(({ path }) => CONTRACTS.test(path))
    .flatMap(({ path, lines }) =>
      [...lines.entries()]
        .filter(
          ([at, line]) =>
            /^export (async )?(function|class) /.test(line) && !/\*\/$/.test(lines[at - 1] ?? ''),
        )
        .map(([at]) => `${path}:${at + 1}: exported by a contract without a word on what it is for`),
    );
  return [...without, ...silent];
}

function limitOf({ path }: SourceFile): number {
  if (!path.endsWith('.ts')) return MAX_C_FILE_LINES;
  return isTest(path) ? MAX_TEST_FILE_LINES : MAX_FILE_LINES;
}

function checkNames({ paths }: Tree): Finding[] {
  return paths
    .filter((path) => roomOf(path) && BANNED_NAMES.test(path) && !ALLOWED_NAMES.test(path))
    .map((path) => `${path}: a name says what a thing is (docs/nomenclature.md)`);
}

/** A file that nothing imports and that is no entry point is dead. */
function checkDead({ files }: Tree): Finding[] {
  const imported = new Set(files.flatMap((file) => file.imports.map(({ path }) => path)));
  const isEntry = (path: string) =>
    isTest(path) ||
    /^(cmd\/gantry\/|hack\/|test\/|simulator\/index\.ts$)|\/worker\.ts$|vitest|\.d\.ts$/.test(path);
  return files
    .filter(({ path }) => path.endsWith('.ts') && !isEntry(path) && !imported.has(path))
    .map(({ path }) => `${path}: nothing imports it`);
}

/** Each command users know has a transcript that is run against real kubectl. */
function checkTranscripts({ paths }: Tree): Finding[] {
  return TRANSCRIPTS.filter((name) => !paths.includes(`test/transcripts/${name}.txt`)).map(
    (name) => `test/transcripts/${name}.txt is missing: every kubectl command needs a transcript`,
  );
}

/** The repository speaks of the product, never of where it was made. */
function checkPlaces({ files }: Tree): Finding[] {
  const findings: Finding[] = [];
  const place = /\/work\/|registry\.npmjs|deb\.debian\.org/;
  for (const { path, lines } of files) {
    if (path.startsWith('hack/tidy/')) continue;
    for (const [i, line] of lines.entries())
      if (place.test(line)) findings.push(`${path}:${i + 1}: names a place outside`);
  }
  return findings;
}
