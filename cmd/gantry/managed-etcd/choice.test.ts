import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemFiles } from '#machinery/files.ts';
import { type Paths, pathsOf } from '../paths.ts';
import { parseStore, type StoreChoice } from '../state/store-choice.ts';
import { OtherStoreError, storeInCharge } from './choice.ts';
import { memberRecordPath, readMember, writeMember } from './record.ts';

let paths: Paths;
beforeEach(() => {
  paths = pathsOf(mkdtempSync(join(tmpdir(), 'gantry-choice-')));
});
afterEach(() => rmSync(paths.root, { recursive: true, force: true }));

const files = systemFiles();
const member = {
  ...{ name: 'node-1', initialCluster: 'node-1=https://10.0.0.1:2380', existing: false, quotaBytes: 0 },
  ...{ peerUrl: 'https://10.0.0.1:2380', clientUrl: 'https://10.0.0.1:2379' },
};
const unsaid: StoreChoice = { kind: 'sqlite' };
const chosen = (text?: string) => storeInCharge(text ? parseStore(text)! : unsaid, paths, files);

test('a new data directory gets what is asked for', async () => {
  expect(await chosen()).toEqual(unsaid);
  expect(await chosen('etcd')).toEqual({ kind: 'managed-etcd' });
  expect(await chosen('etcd://a:1')).toMatchObject({ kind: 'etcd' });
});

test('one with a member of etcd goes on with it, and with nothing else', async () => {
  await writeMember(files, paths, member);
  expect(await chosen()).toEqual({ kind: 'managed-etcd' });
  expect(await chosen('etcd')).toEqual({ kind: 'managed-etcd' });
  for (const other of ['sqlite', 'etcd://a:1']) await expect(chosen(other)).rejects.toThrow(OtherStoreError);
});

test('one whose state is in SQLite does not begin with an empty etcd', async () => {
  mkdirSync(paths.store);
  writeFileSync(join(paths.store, 'store.db'), '');
  await expect(chosen('etcd')).rejects.toThrow(/keeps its state in SQLite/);
  expect(await chosen()).toEqual(unsaid);
});

test('what a newer program has written, and what is damaged, is not used', async () => {
  await writeMember(files, paths, member);
  expect(await readMember(files, paths)).toEqual(member);
  writeFileSync(memberRecordPath(paths), '{"format":2}');
  await expect(chosen()).rejects.toThrow(/format 2, this program reads 1/);
  writeFileSync(memberRecordPath(paths), '{');
  await expect(chosen()).rejects.toThrow(/member\.json cannot be used/);
});
