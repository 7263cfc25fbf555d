/**
 * The lines of container logs: `<RFC3339Nano> stdout|stderr F|P <text>`; P = the line goes on in the next entry.
 * Source: Kubernetes CRI, logging format.
 */
export interface LogEntry {
  time: string;
  stream: 'stdout' | 'stderr';
  /** The entry ends its line. */
  full: boolean;
  text: Uint8Array;
}

const SPACE = 0x20;

/** One entry from the bytes of a line without its newline; undefined when it is not one. */
export function parseEntry(line: Uint8Array): LogEntry | undefined {
  const first = line.indexOf(SPACE);
  const second = line.indexOf(SPACE, first + 1);
  let third = line.indexOf(SPACE, second + 1);
  if (third === -1) third = line.length;
  if (first <= 0 || second <= first + 1 || third <= second) return undefined;
  const stream = ascii(line, first + 1, second);
  if (stream !== 'stdout' && stream !== 'stderr') return undefined;
  const tags = ascii(line, second + 1, third);
  return {
    time: ascii(line, 0, first),
    stream,
    full: !tags.split(':').includes('P'),
    text: line.subarray(third + 1),
  };
}

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
}

/** The texts of whole lines, newline included; a first line that was cut is left out. */
export function messagesOf(text: string): string[] {
  const lines: string[] = [];
  let open = '';
  for (const line of text.split('\n')) {
    const entry = parseEntry(Buffer.from(line));
    if (!entry) continue;
    open += Buffer.from(entry.text).toString();
    if (!entry.full) continue;
    lines.push(`${open}\n`);
    open = '';
  }
  if (open !== '') lines.push(open);
  return lines;
}

/** Nanoseconds are finer than Date: compares two RFC 3339 times in UTC as text, padded to the same precision. */
export function isBefore(time: string, other: string): boolean {
  return padded(time) < padded(other);
}

function padded(time: string): string {
  const [seconds = '', fraction = ''] = time.replace(/Z$/, '').split('.');
  return `${seconds}.${fraction.padEnd(9, '0')}`;
}
