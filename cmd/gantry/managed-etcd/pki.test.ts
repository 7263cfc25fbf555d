import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { silentLogger } from '#machinery/log.ts';
import { alternativeNamesOf, isSignedBy } from '#machinery/pki/certificate.ts';
import { type Paths, pathsOf } from '../paths.ts';
import { etcdCredentials, keepMemberPki, prepareMemberPki } from './pki.ts';

let paths: Paths;
beforeEach(() => {
  paths = pathsOf(mkdtempSync(join(tmpdir(), 'gantry-etcd-pki-')));
});
afterEach(() => rmSync(paths.root, { recursive: true, force: true }));

const HOUR_MS = 3_600_000;
const read = (name: string) => readFileSync(join(paths.pki, `${name}.crt`), 'utf8');
const NAMES = ['etcd-server', 'etcd-peer', 'etcd-client'];

test('one authority of its own signs all three, and they are kept', async () => {
  const clock = new VirtualClock();
  const member = { paths, advertiseAddress: '10.0.0.1', certificateLifetime: HOUR_MS };
  await prepareMemberPki(member, clock);
  const made = NAMES.map(read);
  for (const certificate of made) expect(isSignedBy(certificate, read('etcd-ca'))).toBe(true);
  expect(alternativeNamesOf(read('etcd-peer'))).toContain('10.0.0.1');
  expect(String(etcdCredentials(paths).certificate)).toBe(read('etcd-client'));
  await prepareMemberPki(member, clock);
  expect(NAMES.map(read)).toEqual(made);
  await prepareMemberPki({ ...member, advertiseAddress: '10.0.0.2' }, clock);
  expect(alternativeNamesOf(read('etcd-peer'))).toContain('10.0.0.2');
  expect(read('etcd-client')).toBe(made[2]);
});

test('they are renewed while they are still good', async () => {
  const clock = new VirtualClock();
  const member = { paths, advertiseAddress: '10.0.0.1', certificateLifetime: HOUR_MS };
  await prepareMemberPki(member, clock);
  const before = NAMES.map(read);
  const stop = new AbortController();
  keepMemberPki(member, { clock, log: silentLogger, signal: stop.signal });
  const renewed = () => NAMES.every((name, at) => read(name) !== before[at]);
  while (!renewed() && clock.monotonic() < 2 * HOUR_MS) {
    // Keys are made and files written outside of the clock: a look has ended when the next one is planned.
    while (clock.next === undefined) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(clock.next - clock.now());
  }
  stop.abort();
  expect(clock.monotonic()).toBeGreaterThan(HOUR_MS / 2);
  expect(clock.monotonic()).toBeLessThan(HOUR_MS);
});
