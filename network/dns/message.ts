/** Looks into DNS messages without decoding them. Source: RFC 1035 section 4.1. */

const HEADER_BYTES = 12;
const TYPE_OPT = 41;
const TYPE_SOA = 6;

export interface MessageShape {
  rcode: number;
  truncated: boolean;
  /** Where each record's time to live stands. */
  ttlOffsets: number[];
  /** Seconds the message may be kept: the smallest time to live, for negative answers the SOA's minimum too. */
  keepSeconds: number;
  /** End of the question section. */
  questionEnd: number;
}

/** The shape of a message; undefined when it is damaged. */
export function shapeOf(message: Buffer): MessageShape | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  let at = HEADER_BYTES;
  for (let i = message.readUInt16BE(4); i > 0; i--) {
    at = skipName(message, at) + 4;
    if (at > message.length) return undefined;
  }
  const shape: MessageShape = {
    rcode: message[3]! & 15,
    truncated: (message[2]! & 2) !== 0,
    ttlOffsets: [],
    keepSeconds: Number.POSITIVE_INFINITY,
    questionEnd: at,
  };
  const records = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10);
  for (let i = 0; i < records; i++) {
    const fixed = skipName(message, at);
    if (fixed + 10 > message.length) return undefined;
    const end = fixed + 10 + message.readUInt16BE(fixed + 8);
    if (end > message.length) return undefined;
    const type = message.readUInt16BE(fixed);
    if (type !== TYPE_OPT) {
      shape.ttlOffsets.push(fixed + 4);
      const minimum = type === TYPE_SOA && end - fixed >= 14 ? message.readUInt32BE(end - 4) : Infinity;
      shape.keepSeconds = Math.min(shape.keepSeconds, message.readUInt32BE(fixed + 4), minimum);
    }
    at = end;
  }
  return shape;
}

/** The offset after a name; beyond the message when it is damaged. */
function skipName(message: Buffer, at: number): number {
  for (let next = at; next < message.length; ) {
    const length = message[next]!;
    if (length === 0) return next + 1;
    if ((length & 0xc0) === 0xc0) return next + 2;
    if ((length & 0xc0) !== 0) break;
    next += length + 1;
  }
  return message.length + 1;
}

/** Whether `response` answers `query`: same id, is a response, same question. */
export function answers(query: Buffer, response: Buffer): boolean {
  if (response.length < HEADER_BYTES || response.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  if ((response[2]! & 0x80) === 0) return false;
  const asked = shapeOf(query);
  if (!asked) return false;
  // Some servers leave the question out of errors.
  if (response.readUInt16BE(4) === 0) return (response[3]! & 15) !== 0;
  const question = (of: Buffer) => of.toString('latin1', HEADER_BYTES, asked.questionEnd).toLowerCase();
  return question(response) === question(query);
}
