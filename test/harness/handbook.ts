/**
 * docs/operations.md as tests read it. Before each fenced block of commands (`sh`) stands a comment that readers do not see:
 *
 *   <!-- played: NAME -->         a test plays it, exactly as it is written
 *   <!-- not played: REASON -->   none does
 *
 * The `text` block that follows at once shows what is printed; `...` there stands for anything.
 */
import { normalize } from './transcript.ts';

export interface Block {
  /** The heading above it. */
  section: string;
  /** Of its first fence, from 1. */
  line: number;
  /** By which a test calls for it. */
  name?: string;
  /** Why no test plays it. */
  notPlayed?: string;
  commands: string;
  /** What is shown of what the commands print. */
  output?: string;
}

/** The blocks of commands of a text. */
export function blocksOf(markdown: string): Block[] {
  const lines = markdown.split('\n');
  const blocks: Block[] = [];
  let section = '';
  let mark = '';
  let last: Block | undefined;
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    const [, language] = /^```(\S*)$/.exec(line) ?? [];
    if (language !== undefined) {
      const end = lines.indexOf('```', at + 1);
      if (end < 0) throw new Error(`line ${at + 1}: a block has no end`);
      const text = lines.slice(at + 1, end).join('\n');
      if (language === 'sh') {
        const [, not, what] = /^<!-- (not )?played: (.+) -->$/.exec(mark) ?? [];
        const said = what && (not ? { notPlayed: what } : { name: what });
        last = { section, line: at + 1, ...said, commands: text };
        blocks.push(last);
      } else {
        if (language === 'text' && last) last.output = text;
        last = undefined;
      }
      at = end;
    } else if (line.trim() !== '') last = undefined;
    section = /^#+ (.*)/.exec(line)?.[1] ?? section;
    mark = line;
  }
  return blocks;
}

/** Whether something was printed as it is shown. Of both, what differs from run to run is left out. */
export function isAsShown(shown: string, printed: string): boolean {
  const pattern = normalize(shown)
    .split('\n')
    .map((line) => (line === '...' ? '(?:.*\n)*?' : `${line.split('...').map(literal).join('.*')}\n`))
    .join('');
  return new RegExp(`^${pattern}$`).test(`${normalize(printed)}\n`);
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** A text with words for others, the longest first: `10.0.0.11` holds `10.0.0.1`. */
export function withWords(text: string, words: Readonly<Record<string, string>>): string {
  const names = Object.keys(words).sort((a, b) => b.length - a.length);
  return names.length === 0
    ? text
    : text.replace(new RegExp(names.map(literal).join('|'), 'g'), (name) => words[name]!);
}
