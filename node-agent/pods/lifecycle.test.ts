import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { outputOf } from './lifecycle.ts';

const CHUNK = Buffer.alloc(64 * 1024, 'y');
const CHUNKS = 256;

/** What a process writes that never stops by itself; `read` counts what was taken from it. */
function flood() {
  const read = { bytes: 0 };
  async function* stream() {
    for (let i = 0; i < CHUNKS; i++) {
      read.bytes += CHUNK.length;
      yield CHUNK;
    }
  }
  return { read, process: { stdout: Readable.from(stream()), stderr: Readable.from(stream()) } };
}

it('CVE-2022-31030: of the output of a probe or handler only the beginning is kept', async () => {
  const total = 2 * CHUNKS * CHUNK.length;
  const bounded = flood();
  expect((await outputOf(bounded.process)).length).toBe(10 * 1024);
  // To its end, so that the process is not held up.
  expect(bounded.read.bytes).toBe(total);
  expect((await outputOf(flood().process, Number.POSITIVE_INFINITY)).length).toBe(total);
});
