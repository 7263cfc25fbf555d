import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import type { LogLine } from '#machinery/log.ts';
import { memoryLogger } from '#machinery/log.ts';
import { type KeyAndCertificate, keyHashOf, validityOf } from '#machinery/pki/certificate.ts';
import { seededRandom } from '#machinery/random.ts';
import type { Settings } from '../options.ts';
import { pathsOf } from '../paths.ts';
import { rereadPair } from './identity.ts';
import { type Pki, preparePki } from './pki.ts';
import { keepPki } from './renewal.ts';

const HOUR_MS = 3_600_000;
let directory: string;
let clock: VirtualClock;
let settings: Settings;
const stop = { now: new AbortController() };
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-renewal-'));
  clock = new VirtualClock();
  stop.now = new AbortController();
  settings = {
    ...{
      paths: pathsOf(directory),
      nodeName: 'n1',
      advertiseAddress: '192.0.2.1',
      tlsSan: [],
      virtualAddress: [],
    },
    ...{ listen: { host: '127.0.0.1', port: 6443 }, serviceCidr: '10.96.0.0/16' },
    certificateLifetime: 10 * HOUR_MS,
  } as unknown as Settings;
});
afterEach(() => {
  stop.now.abort();
  rmSync(directory, { recursive: true, force: true });
});

const NAMES = ['server', 'apiserver', 'controllers', 'scheduler', 'admin', 'node'] as const;

/** Lets time pass in steps, with turns for what a step sets going. */
async function pass(hours: number): Promise<void> {
  for (let quarter = 0; quarter < hours * 4; quarter++) {
    await clock.advance(HOUR_MS / 4);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

function keep(pki: Pki, prepare: () => Promise<Pki>) {
  const used: Pki[] = [];
  const log: LogLine[] = [];
  const deps = { clock, random: seededRandom(7), log: memoryLogger(log), signal: stop.now.signal };
  const refresh = async () => {
    const next = await prepare();
    used.push(next);
    return next;
  };
  void keepPki(pki, { ...deps, refresh });
  return { used, log };
}

/** Resolves when what was begun has come to the disk. */
const made = async (used: readonly Pki[], count: number) => {
  for (let turn = 0; used.length < count && turn < 2_000; turn++)
    await new Promise((resolve) => setTimeout(resolve, 1));
  expect(used.length).toBeGreaterThanOrEqual(count);
};

test('each certificate is made anew between 70 and 90 % of its life, with a new key but the server’s, and taken into use', async () => {
  const first = await preparePki(settings, { clock });
  const bound: string[] = [];
  const crt = join(directory, 'pki/node-n1.crt');
  const beforeNode = async (pair: KeyAndCertificate) => {
    // The key is known before anybody can show it.
    expect(readFileSync(crt, 'utf8')).not.toBe(pair.certificate);
    bound.push(keyHashOf(pair.certificate));
  };
  const { used, log } = keep(first, () => preparePki(settings, { clock, beforeNode }));
  await pass(6);
  expect(used).toEqual([]);
  await pass(3);
  await made(used, 1);
  const last = used.at(-1)!;
  for (const name of NAMES) {
    // By the server's key those know it who are to join.
    expect(last[name].key === first[name].key, name).toBe(name === 'server');
    expect(validityOf(last[name].certificate).untilMs).toBeGreaterThan(
      validityOf(first[name].certificate).untilMs,
    );
  }
  expect(last.clientAuthority).toEqual(first.clientAuthority);
  expect(bound).toContain(keyHashOf(last.node.certificate));
  expect(readFileSync(join(directory, 'admin.kubeconfig'), 'utf8')).toContain(
    Buffer.from(last.admin.certificate).toString('base64'),
  );
  expect(log.filter(({ message }) => message === 'A certificate is renewed').length).toBeGreaterThanOrEqual(
    NAMES.length,
  );
});

test('what cannot be renewed now is tried again', async () => {
  const first = await preparePki(settings, { clock });
  let tries = 0;
  const { used, log } = keep(first, async () => {
    if (++tries === 1) throw new Error('the disk is full');
    return await preparePki(settings, { clock });
  });
  await pass(9);
  await made(used, 1);
  expect(log.filter(({ level }) => level === 'warn')).toHaveLength(1);
});

test('a server that was told a shorter life gets it', async () => {
  const first = await preparePki(settings, { clock });
  settings.certificateLifetime = HOUR_MS;
  const second = await preparePki(settings, { clock });
  expect(second.server.certificate).not.toBe(first.server.certificate);
  expect(await preparePki(settings, { clock })).toEqual(second);
});

test('who reads a pair has the one before, or the new one, and never half of each', async () => {
  const { node } = await preparePki(settings, { clock });
  const path = join(directory, 'pki/node-n1');
  const held = rereadPair(path);
  expect(held()).toEqual(node);
  const { writeFileSync, utimesSync } = await import('node:fs');
  const other = (await preparePki({ ...settings, nodeName: 'n2' }, { clock })).node;
  writeFileSync(`${path}.key`, other.key);
  utimesSync(`${path}.key`, 1, 1);
  expect(held()).toEqual(node);
  writeFileSync(`${path}.crt`, other.certificate);
  expect(held()).toEqual(other);
  expect(existsSync(path)).toBe(false);
});
