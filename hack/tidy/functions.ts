import type { SourceFile } from './tree.ts';

/** A named function, method or arrow function that has a body of its own lines. */
export interface FoundFunction {
  path: string;
  /** From 1. */
  line: number;
  lines: number;
}

const STARTS = [
  /^\s*(export )?(default )?(async )?function\*? ?\w*[(<]/,
  /^\s*(export )?const \w+(: [^=]+)? = (async )?(\(|<|\w+ =>)/,
  /^\s+(static |async |get |set |readonly |\*)*#?\w+(<[^>]*>)?\(/,
];
/** These look like methods, but are statements. */
const STATEMENTS =
  /^\s+(if|for|while|switch|catch|return|await|throw|new|super|function|typeof|void|yield)\b/;

/**
 * Functions by the layout that the formatter guarantees: what begins on a line ends at the first `}` of the same
 * indentation. No parser, so that a whole tree takes a few milliseconds.
 */
export function functionsOf({ path, lines }: SourceFile): FoundFunction[] {
  return path.endsWith('.ts') ? inTypeScript(path, lines) : inC(path, lines);
}

function inTypeScript(path: string, lines: readonly string[]): FoundFunction[] {
  const found: FoundFunction[] = [];
  for (const [start, line] of lines.entries()) {
    if (STATEMENTS.test(line) || !STARTS.some((pattern) => pattern.test(line))) continue;
    const end = endOf(lines, start);
    if (end !== undefined) found.push({ path, line: start + 1, lines: end - start + 1 });
  }
  return found;
}

/** The line that closes the body, or undefined when there is none: a call, a value, a body on one line. */
function endOf(lines: readonly string[], start: number): number | undefined {
  const indent = /^\s*/.exec(lines[start]!)![0];
  let opened = lines[start]!.endsWith('{');
  for (let at = start + 1; at < lines.length && (opened || !lines[start]!.endsWith(';')); at++) {
    const line = lines[at]!;
    if (!line.startsWith(indent) || /^\s/.test(line.slice(indent.length)) || line === '') continue;
    const rest = line.slice(indent.length);
    if (opened) return rest.startsWith('}') ? at : undefined;
    if (!rest.startsWith(')') || !rest.endsWith('{')) return undefined;
    opened = true;
  }
  return undefined;
}

function inC(path: string, lines: readonly string[]): FoundFunction[] {
  const found: FoundFunction[] = [];
  for (const [start, line] of lines.entries()) {
    if (line !== '{') continue;
    const end = lines.indexOf('}', start);
    if (end > 0) found.push({ path, line: start, lines: end - start + 2 });
  }
  return found;
}
