import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RuntimeError } from '../contract.ts';

/** Exit code of runtime/helper/unpack.c for a layer that is damaged or unsupported. */
const BAD_LAYER = 2;
/** More than the program ever says. */
const MESSAGE_LIMIT = 4096;

/**
 * Unpacks layers with the program `unpack`: owners, modes, extended attributes, device nodes, hard links, whiteouts in
 * overlayfs' form; confined to the directory by the kernel. Structurally oci/contract.ts Unpacker.
 */
export class NativeUnpacker {
  readonly #program: string;

  constructor(binDirectory: string) {
    this.#program = join(binDirectory, 'unpack');
  }

  /**
   * Unpacks an uncompressed tar into `directory`, which must exist, and syncs it. Rejects with RuntimeError InvalidSpec
   * for a damaged or unsupported layer, Kernel (step `unpack`) when the kernel refused, with the source's error when that
   * failed, with the signal's reason when it aborted. What was unpacked until then is left to the caller.
   */
  async unpack(tar: AsyncIterable<Uint8Array>, directory: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const child = spawn(this.#program, [directory], { stdio: ['pipe', 'ignore', 'pipe'], env: {} });
    let message = '';
    child.stderr.on('data', (chunk: Buffer) => {
      if (message.length < MESSAGE_LIMIT) message += chunk.toString();
    });
    const closed: Promise<[number | null]> = once(child, 'close').then(([code]) => [code]);
    const failedToStart = once(child, 'error').then(([error]) => {
      throw new RuntimeError('Kernel', `${this.#program} cannot be started: ${error.message}`, 'unpack');
    });
    // Only one of the two ever happens.
    failedToStart.catch(() => {});
    const fed = pipeline(Readable.from(tar, { objectMode: false, highWaterMark: 1 << 20 }), child.stdin, {
      signal,
    }).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const [[code], problem] = await Promise.race([
      Promise.all([closed, this.#ended(fed, child)]),
      failedToStart,
    ]);
    signal.throwIfAborted();
    if (code === 0 && !problem) return;
    // A program that refuses closes its end early: its own words explain the broken pipe.
    if (problem && !isBrokenPipe(problem.error)) throw problem.error;
    const text = message.trim() || `unpack ended with code ${code}`;
    if (code === BAD_LAYER) throw new RuntimeError('InvalidSpec', text, 'unpack');
    throw new RuntimeError('Kernel', text, 'unpack');
  }

  /** When the layer could not be fed whole, nothing more is wanted of the program. */
  async #ended(fed: Promise<{ error: unknown } | undefined>, child: { kill(signal: 'SIGKILL'): boolean }) {
    const problem = await fed;
    if (problem && !isBrokenPipe(problem.error)) child.kill('SIGKILL');
    return problem;
  }
}

function isBrokenPipe(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'EPIPE' || code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}
