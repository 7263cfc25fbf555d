import { execFile } from 'node:child_process';
import type { KeyProvider } from '#apiserver/encryption/key-provider.ts';

/** A key service that takes longer counts as down; the server is started again later. */
const TIMEOUT_MS = 10_000;
const ANSWER_LIMIT_BYTES = 64 * 1024;

/** What the program reads from standard input and writes to standard output: one JSON object. Bytes are base64. */
interface Message {
  /** Of the data key. */
  id?: string;
  /** Of the key service's own key, as the program names it. */
  key?: string;
  data: string;
}

/**
 * Keys of keys that a program holds or fetches: it is called as `PROGRAM wrap` and `PROGRAM unwrap`. `wrap` gets
 * { id, data } and answers { key, data }; `unwrap` gets { id, key, data } and answers { data }. Another exit code than 0 is
 * a failure, told with the last line of its standard error.
 */
export function keyCommand(program: string, timeoutMs = TIMEOUT_MS): KeyProvider {
  return {
    name: 'command',
    async wrap(id, secret) {
      const { key, data } = await call(program, 'wrap', { id, data: base64(secret) }, timeoutMs);
      if (typeof key !== 'string') throw new Error(`${program} wrap did not answer with a "key"`);
      return { wrappedBy: key, wrapped: Buffer.from(data, 'base64') };
    },
    async unwrap(id, { wrappedBy, wrapped }) {
      const message = { id, key: wrappedBy, data: base64(wrapped) };
      return Buffer.from((await call(program, 'unwrap', message, timeoutMs)).data, 'base64');
    },
    // The key service makes and removes its own keys.
    renew: async () => undefined,
    unused: async () => [],
  };
}

function call(program: string, verb: string, message: Message, timeoutMs: number): Promise<Message> {
  return new Promise((resolve, reject) => {
    const fail = (what: string) => reject(new Error(`the encryption command ${program} ${verb} ${what}`));
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL' as const, maxBuffer: ANSWER_LIMIT_BYTES };
    const child = execFile(program, [verb], options, (error, out, err) => {
      if (error?.code === 'ENOENT') return fail('does not exist');
      if (error?.code === 'EACCES') return fail('must not be executed');
      if (error?.killed) return fail(`did not answer within ${timeoutMs} ms`);
      if (error) return fail(`failed: ${err.trim().split('\n').at(-1) || error.message}`);
      const answer = parsed(out);
      if (answer) resolve(answer);
      else fail('did not answer with a JSON object that has "data"');
    });
    // A program that fails may not read it.
    child.stdin?.on('error', () => undefined).end(`${JSON.stringify(message)}\n`);
  });
}

/** Undefined when it is not what was asked for. Its words are never shown: they may be a key. */
function parsed(text: string): Message | undefined {
  try {
    const answer = JSON.parse(text) as Message | null;
    return typeof answer?.data === 'string' ? answer : undefined;
  } catch {
    return undefined;
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
