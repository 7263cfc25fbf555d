import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const SOURCE = new URL('./relay.c', import.meta.url).pathname;
const PROGRAM = join(import.meta.dirname, '../../dist/lab/relay');

/** How long packets are under way more than the wire takes. */
export interface Delay {
  delayMs: number;
  /** So much more or less, evenly spread; nothing overtakes. */
  jitterMs: number;
}

/**
 * Starts the relay that relay.c is, in a network namespace: what is sent to the TAP `device` comes back out of it after the
 * delay. Resolves when the device is there; whoever deletes the device ends the relay.
 */
export async function startRelay(netns: string, device: string, { delayMs, jitterMs }: Delay): Promise<void> {
  const args = [`--net=${netns}`, '--', built(), device, `${delayMs}`, `${jitterMs}`];
  // It outlives the command that started it.
  const child = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  await new Promise<void>((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`the relay ended with ${code}: ${said}`)));
    child.stdout.once('data', resolve);
  });
  child.stderr.destroy();
  child.unref();
}

/** The program, made when it is missing or older than its source. */
function built(): string {
  const isFresh = existsSync(PROGRAM) && statSync(PROGRAM).mtimeMs > statSync(SOURCE).mtimeMs;
  if (isFresh) return PROGRAM;
  mkdirSync(dirname(PROGRAM), { recursive: true });
  // Another lab may be making it, or running it.
  const mine = `${PROGRAM}.${process.pid}`;
  execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-static', '-std=gnu17', '-o', mine, SOURCE]);
  renameSync(mine, PROGRAM);
  return PROGRAM;
}
