/** Reading text that holds PEM blocks. Source: RFC 7468, and RFC 1421 for headers. */

export interface PemBlock {
  /** `CERTIFICATE`, `CERTIFICATE REQUEST`. */
  label: string;
  hasHeaders: boolean;
  der: Buffer;
}

const BEGIN = /^-----BEGIN ([^-]*)-----\s*$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** The sound blocks of `text` in their order; what stands around them, and blocks that are not sound, is passed over. */
export function pemBlocks(text: string): PemBlock[] {
  const lines = text.split('\n');
  const blocks: PemBlock[] = [];
  for (let at = 0; at < lines.length; at++) {
    const label = BEGIN.exec(lines[at]!)?.[1];
    if (label === undefined) continue;
    const end = lines.findIndex((line, index) => index > at && line.trimEnd() === `-----END ${label}-----`);
    if (end < 0) continue;
    const inside = lines.slice(at + 1, end).map((line) => line.trim());
    const start = inside.findIndex((line) => !line.includes(':'));
    const base64 = start < 0 ? '' : inside.slice(start).join('');
    if (!BASE64.test(base64) || base64.length % 4 !== 0) continue;
    blocks.push({ label, hasHeaders: start !== 0, der: Buffer.from(base64, 'base64') });
    at = end;
  }
  return blocks;
}
