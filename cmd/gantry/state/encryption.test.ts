import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encryptionOf, UnknownKindError } from './encryption.ts';
import { addEncryptionOptions, type EncryptionFlags, encryptionArguments } from './encryption-options.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-keys-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function parse(args: string[]): EncryptionFlags {
  return addEncryptionOptions(new Command().exitOverride().configureOutput({ writeErr: () => undefined }))
    .parse(args, { from: 'user' })
    .opts();
}

test('flags survive the way to the processes that gantry up starts', () => {
  for (const args of [
    [],
    ['--encrypt', 'none'],
    ['--encrypt', 'secrets,deployments.apps', '--encryption-keys', '/k.json', '--encryption-command', '/kms'],
  ]) {
    const flags = parse(args);
    expect(parse(encryptionArguments(flags).flat())).toEqual(flags);
  }
  expect(parse([]).encrypt).toEqual(['secrets']);
  expect(parse(['--encrypt', 'none']).encrypt).toEqual([]);
  expect(() => parse(['--encrypt', 'Secrets, pods'])).toThrow('write it as secrets,configmaps');
});

test('kinds are found by resource and group, and what is none is told', () => {
  const settings = (encrypt: string[]) =>
    encryptionOf({ encrypt, paths: { encryptionKeys: join(directory, 'keys.json') } });
  expect(settings(['secrets', 'deployments.apps']).kinds).toEqual([
    { group: '', plural: 'secrets' },
    { group: 'apps', plural: 'deployments' },
  ]);
  expect(() => settings(['deployments'])).toThrow(UnknownKindError);
});

test("the data directory's key file is made for its owner when needed; one that was named is not", async () => {
  const paths = { encryptionKeys: join(directory, 'keys.json') };
  const [own] = encryptionOf({ encrypt: ['secrets'], paths }).providers;
  const named = join(directory, 'named.json');
  const [other] = encryptionOf({ encrypt: ['secrets'], encryptionKeys: named, paths }).providers;
  const secret = new Uint8Array(32).fill(7);
  await expect(other!.wrap('k', secret)).rejects.toThrow(`the key file ${named} does not exist`);
  expect(readdirSync(directory)).toEqual([]);
  const wrapped = await own!.wrap('k', secret);
  expect(statSync(paths.encryptionKeys).mode & 0o777).toBe(0o600);
  expect(Buffer.from(await own!.unwrap('k', wrapped))).toEqual(Buffer.from(secret));
  // Bound to the data key that it is of.
  await expect(own!.unwrap('l', wrapped)).rejects.toThrow('is not the one');
});
