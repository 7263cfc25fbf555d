/** For tests: archives written field by field, also such as no tool would write. */

export const BLOCK = 512;

export interface Entry {
  path: string;
  type?: string;
  content?: string;
  link?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  major?: number;
  minor?: number;
  /** Numbers that octal digits cannot say, as GNU tar writes them: base 256. */
  binary?: boolean;
  /** What the header claims; by default the length of the content. */
  size?: number;
  /** Records of a pax header in front. */
  pax?: Record<string, string>;
}

function octal(value: number, size: number): string {
  return `${value.toString(8).padStart(size - 1, '0')}\0`;
}

/** Base 256, two's complement, the first bit set. Source: GNU tar manual, "Basic Tar Format". */
function base256(value: number, size: number): Buffer {
  const bytes = Buffer.alloc(size, value < 0 ? 0xff : 0);
  bytes.writeBigInt64BE(BigInt(value), size - 8);
  bytes[0] = value < 0 ? 0xff : 0x80;
  return bytes;
}

function header(entry: Entry, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(entry.path, 0, 100);
  block.write(octal(entry.mode ?? 0o644, 8), 100);
  if (!entry.binary) block.write(octal(entry.uid ?? 0, 8), 108);
  block.write(octal(entry.gid ?? 0, 8), 116);
  block.write(octal(size, 12), 124);
  if (!entry.binary) block.write(octal(entry.mtime ?? 1_000_000_000, 12), 136);
  if (entry.binary) {
    base256(entry.uid ?? 0, 8).copy(block, 108);
    base256(entry.mtime ?? 0, 12).copy(block, 136);
  }
  block.write('        ', 148);
  block.write(entry.type ?? '0', 156);
  block.write(entry.link ?? '', 157, 100);
  block.write('ustar\x0000', 257);
  block.write(octal(entry.major ?? 0, 8), 329);
  block.write(octal(entry.minor ?? 0, 8), 337);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function padded(content: string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + 1;
  while (String(length).length + bytes !== length) length++;
  return `${length}${rest}`;
}

/** An archive as a builder could never write it. */
export function tar(...entries: Entry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const entry of entries) {
    if (entry.pax) {
      const records = Object.entries(entry.pax).map(([key, value]) => paxRecord(key, value));
      const text = records.join('');
      blocks.push(header({ path: 'pax', type: 'x' }, Buffer.byteLength(text)), padded(text));
    }
    blocks.push(
      header(entry, entry.size ?? Buffer.byteLength(entry.content ?? '')),
      padded(entry.content ?? ''),
    );
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}
