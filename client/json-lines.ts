/**
 * Splits a stream of bytes into the JSON values of its lines, as a watch sends them. A line is parsed once it is whole;
 * what is kept between chunks is bounded.
 */

/** Larger than any object the server accepts (about 1.5 MB), with room for the envelope. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;

const NEWLINE = 10;

/** Rejects with a SyntaxError for a line that is not JSON, a RangeError for one that is too long. */
export async function* jsonLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, void, undefined> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of body) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      const tail = bytes.subarray(start, end);
      const line = restBytes ? Buffer.concat([...rest, tail]) : tail;
      rest = [];
      restBytes = 0;
      start = end + 1;
      if (line.length > 0) yield JSON.parse(line.toString('utf8'));
    }
    if (start < bytes.length) {
      rest.push(bytes.subarray(start));
      restBytes += bytes.length - start;
      if (restBytes > MAX_LINE_BYTES)
        throw new RangeError(`a line of the watch is longer than ${MAX_LINE_BYTES} bytes`);
    }
  }
  if (restBytes) yield JSON.parse(Buffer.concat(rest).toString('utf8'));
}
