/**
 * The text format of the corpus: requests with the exact responses.
 *
 *   ### what the case shows
 *   # name web                 later cases may write {{web.metadata.uid}}: a value of this response's JSON body
 *   # as ann dev               a client certificate of that user and those groups; `# as nobody`: none
 *   # after compaction         the store has forgotten all but the newest versions
 *   # take 2                   a watch: read so many events and hang up
 *   POST /api/v1/namespaces/default/configmaps
 *   accept: application/json
 *
 *   {"apiVersion": "v1"}       sent as it stands; {{fill 100}} makes 100 letters
 *
 *   === 201                    the status, then the headers of SHOWN_HEADERS, then the body
 *   content-type: application/json
 *
 *   { ... }
 *
 * Lines before the first case are for readers; `managedFields: shown` among them keeps metadata.managedFields, which all
 * other files leave out. JSON is shown with sorted keys and lines of at most 110 characters; what differs from run to run
 * (uids, times, resource versions, continue tokens) is numbered in the order in which it is first seen, so that the same
 * value has the same number throughout a file.
 */
export interface Case {
  title: string;
  /** As in the file, to be written back. */
  request: string;
  expected: string;
}

export interface Corpus {
  preamble: string;
  cases: Case[];
}

export interface CaseRequest {
  name: string | undefined;
  user: { name: string; groups: string[] } | 'nobody' | undefined;
  take: number | undefined;
  afterCompaction: boolean;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
}

export const SHOWN_HEADERS = ['content-type', 'warning', 'retry-after', 'www-authenticate', 'allow'];

export function parseCorpus(text: string): Corpus {
  const [preamble = '', ...blocks] = text.split(/^### /m);
  const cases = blocks.map((block) => {
    const [asked = '', expected = ''] = block.split(/^=== /m);
    const [title = '', ...lines] = asked.split('\n');
    return { title, request: lines.join('\n').trim(), expected: expected.trim() };
  });
  return { preamble: preamble.trim(), cases };
}

export function formatCorpus({ preamble, cases }: Corpus): string {
  const blocks = cases.map(({ title, request, expected }) => `### ${title}\n${request}\n\n=== ${expected}\n`);
  return `${preamble}\n\n${blocks.join('\n')}`;
}

/** What a case sends; `{{...}}` is replaced by `lookUp`. */
export function requestOf(asked: string, lookUp: (reference: string) => string): CaseRequest {
  const text = asked.replace(/\{\{([^}]+)\}\}/g, (_, reference: string) =>
    reference.startsWith('fill ') ? 'x'.repeat(Number(reference.slice(5))) : lookUp(reference),
  );
  const [head = '', ...rest] = text.split('\n\n');
  const lines = head.split('\n');
  const directives = new Map(
    lines.flatMap((line) => {
      const match = /^# (\w+) (.*)$/.exec(line);
      return match ? [[match[1]!, match[2]!] as const] : [];
    }),
  );
  const [line = '', ...headerLines] = lines.filter((candidate) => !candidate.startsWith('# '));
  const [method = '', path = ''] = line.split(' ');
  const body = rest.length > 0 ? rest.join('\n\n') : undefined;
  // Node sends the body of a DELETE without its length unless told.
  const headers: Record<string, string> =
    body === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
  for (const header of headerLines) {
    const colon = header.indexOf(':');
    headers[header.slice(0, colon).toLowerCase()] = header.slice(colon + 1).trim();
  }
  const [name = '', ...groups] = directives.get('as')?.split(' ') ?? [];
  return {
    name: directives.get('name'),
    user: name === 'nobody' ? 'nobody' : name ? { name, groups } : undefined,
    take: directives.has('take') ? Number(directives.get('take')) : undefined,
    afterCompaction: directives.get('after') === 'compaction',
    ...{ method, path, headers, body },
  };
}

const WIDTH = 110;

/** JSON with sorted keys, one line for what fits in one. */
export function formatJson(value: unknown, indent = ''): string {
  const flat = inline(value);
  if (typeof value !== 'object' || value === null || indent.length + flat.length <= WIDTH) return flat;
  const inner = `${indent}  `;
  if (Array.isArray(value))
    return `[\n${value.map((element) => inner + formatJson(element, inner)).join(',\n')}\n${indent}]`;
  const members = sorted(value).map(([key, member]) => {
    const shown = key === 'fieldsV1' ? inline(member) : formatJson(member, inner);
    return `${inner}${JSON.stringify(key)}: ${shown}`;
  });
  return `{\n${members.join(',\n')}\n${indent}}`;
}

function inline(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  const members = sorted(value).map(([key, member]) => `${JSON.stringify(key)}: ${inline(member)}`);
  return members.length > 0 ? `{ ${members.join(', ')} }` : '{}';
}

function sorted(value: object): [string, unknown][] {
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Cells of a table that say how old something is. */
function aged(cells: unknown): unknown {
  const isAge = (cell: unknown) => typeof cell === 'string' && /^\d+[smhdy](?:\d+[smhd])?$/.test(cell);
  return Array.isArray(cells) ? cells.map((cell) => (isAge(cell) ? '<age>' : cell)) : cells;
}

/** Gives what differs from run to run a number each. One for a file. */
export class Masks {
  readonly #words = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  readonly #hideManaged: boolean;

  constructor({ hideManaged }: { hideManaged: boolean }) {
    this.#hideManaged = hideManaged;
  }

  json(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((element) => this.json(element));
    if (typeof value !== 'object' || value === null) return value;
    const masked = sorted(value).flatMap(([key, member]) => {
      if (key === 'managedFields' && this.#hideManaged) return [];
      const isToken = typeof member === 'string' && member !== '';
      if (key === 'resourceVersion' && isToken && member !== '0') return [[key, this.#word('rv', member)]];
      if (key === 'cells') return [[key, this.json(aged(member))]];
      if (key === 'continue' && isToken) return [[key, this.#word('continue', member)]];
      return [[key, this.json(member)]];
    });
    return Object.fromEntries(masked);
  }

  text(text: string): string {
    return text
      .replace(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, (uid) => this.#word('uid', uid))
      .replace(/(?<=\b(?:made-|Made_|kube-api-access-))[a-z0-9]{5}\b/g, '<x>')
      .replace(/\bX509SHA256=[0-9a-f]{64}\b/g, 'X509SHA256=<digest>')
      .replace(/\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, '<time>')
      .replace(
        /(?<=resourceVersion\\?":\\?"|resourceVersion: ['"]|ersion: ?|ersion: \d+, current: |ersion in \w+ \(|ersion in the \w+ \()\d+/g,
        (version) => (version === '0' ? version : this.#word('rv', version)),
      );
  }

  #word(what: string, value: string): string {
    const known = this.#words.get(`${what} ${value}`);
    if (known) return known;
    const count = (this.#counts.get(what) ?? 0) + 1;
    this.#counts.set(what, count);
    const word = `<${what}-${count}>`;
    this.#words.set(`${what} ${value}`, word);
    return word;
  }
}
