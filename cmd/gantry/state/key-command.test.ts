import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeyRing } from '#apiserver/encryption/key-ring.ts';
import { keySpace } from '#apiserver/engine/keys.ts';
import { systemRandom } from '#machinery/random.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { keyCommand } from './key-command.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-kms-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A program in JavaScript that has `verb` and `message`. */
function program(body: string): string {
  const path = join(directory, 'kms');
  const read =
    "const verb = process.argv[2]; const message = JSON.parse(require('fs').readFileSync(0, 'utf8'));";
  writeFileSync(path, `#!${process.execPath}\n${read}\n${body}\n`, { mode: 0o755 });
  return path;
}

/** Turns every byte around: enough of a cipher to see that it was asked. */
const TURN = `
  const data = Buffer.from(message.data, 'base64').map((byte) => byte ^ 0xff).toString('base64');
  if (verb === 'unwrap' && message.key !== 'k7') { console.error('first\\nno key ' + message.key); process.exit(3); }
  console.log(JSON.stringify(verb === 'wrap' ? { key: 'k7', data } : { data }));`;

const open = (store: MemoryStore, path: string, timeoutMs?: number) =>
  KeyRing.open({
    store,
    keys: keySpace('test'),
    settings: { providers: [keyCommand(path, timeoutMs)], kinds: [{ group: '', plural: 'secrets' }] },
    random: systemRandom,
    now: () => 0,
    shared: false,
  });

test('a program wraps the data key once and unwraps it at each start', async () => {
  const store = new MemoryStore();
  const path = program(TURN);
  const key = `${keySpace('test').root}core/secrets/default/a`;
  const first = await open(store, path);
  const value = first.encode(key, { time: 1, actor: 'a' }, Buffer.from('body'));
  const again = await open(store, path);
  expect(again.ids).toEqual(first.ids);
  expect(Buffer.from(again.decode(key, value).body).toString()).toBe('body');
});

test('what goes wrong with it is told, without its answer', async () => {
  const cases: [string, RegExp][] = [
    ["console.error('x\\nthe vault is sealed'); process.exit(1)", /wrap failed: the vault is sealed$/],
    ["console.log('SECRET')", /did not answer with a JSON object that has "data"$/],
    ['console.log(\'{"data":"AAAA"}\')', /did not answer with a "key"$/],
    [
      "console.log(JSON.stringify(verb === 'wrap' ? { key: 'a', data: 'AAAA' } : { data: 'BBBB' }))",
      /does not unwrap what it has wrapped/,
    ],
  ];
  for (const [body, words] of cases) {
    const store = new MemoryStore();
    await expect(open(store, program(body))).rejects.toThrow(words);
    expect(await store.revision()).toBe(0);
  }
  await expect(open(new MemoryStore(), join(directory, 'none'))).rejects.toThrow('does not exist');
});

test('a program that does not answer is ended', async () => {
  const hanging = program('setInterval(() => {}, 1000)');
  await expect(open(new MemoryStore(), hanging, 300)).rejects.toThrow('did not answer within 300 ms');
});
