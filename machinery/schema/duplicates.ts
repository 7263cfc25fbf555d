/**
 * Members that occur twice in one JSON object, which JSON.parse hides. Counting is cheap and done for each strict
 * request; the paths are looked for only when the counts differ.
 */

/** How many object members the text of a JSON document has. The text must be valid JSON. */
export function countMembers(text: string): number {
  let count = 0;
  let at = text.indexOf('"');
  while (at >= 0) {
    let end = endOfString(text, at) + 1;
    while (isSpace(text.charCodeAt(end))) end++;
    if (text.charCodeAt(end) === COLON) count++;
    at = text.indexOf('"', end);
  }
  return count;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** Where the closing quote of the string that opens at `start` is. */
function endOfString(text: string, start: number): number {
  let at = text.indexOf('"', start + 1);
  while (at >= 0) {
    let before = at - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((at - before) % 2 === 1) return at;
    at = text.indexOf('"', at + 1);
  }
  return text.length;
}

interface Level {
  /** Names seen in an object; undefined in a list. */
  names?: Set<string>;
  /** Path of the object or list itself. */
  path: string;
  /** The member or element that is being read. */
  at: string | number;
}

/** `order`: the place of every member of the text; of one that occurs more than once, the second. */
export interface Duplicates {
  paths: readonly string[];
  order: ReadonlyMap<string, number>;
}

export const NO_DUPLICATES: Duplicates = { paths: [], order: new Map() };

/** Paths of the members that occur more than once, each once, in order: `spec.containers[0].name`. */
export function findDuplicates(text: string): Duplicates {
  const found = new Set<string>();
  const order = new Map<string, number>();
  const levels: Level[] = [];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const level = levels.at(-1);
    if (code === 0x7b) levels.push({ names: new Set(), path: pathOf(level), at: '' });
    else if (code === 0x5b) levels.push({ path: pathOf(level), at: 0 });
    else if (code === 0x7d || code === 0x5d) levels.pop();
    else if (code === 0x2c && typeof level?.at === 'number') level.at++;
    else if (code === QUOTE) {
      const end = endOfString(text, at);
      let next = end + 1;
      while (isSpace(text.charCodeAt(next))) next++;
      if (text.charCodeAt(next) === COLON && level?.names) {
        level.at = JSON.parse(text.slice(at, end + 1)) as string;
        const path = pathOf(level);
        const isSecond = level.names.has(level.at) && !found.has(path);
        if (isSecond) found.add(path);
        level.names.add(level.at);
        if (isSecond || !order.has(path)) order.set(path, at);
      }
      at = end;
    }
  }
  return { paths: [...found], order };
}

function pathOf(level: Level | undefined): string {
  if (!level) return '';
  if (typeof level.at === 'number') return `${level.path}[${level.at}]`;
  return level.path === '' ? level.at : `${level.path}.${level.at}`;
}
