import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Why } from '#api/why.ts';
import { checkBackup } from '#apiserver/backup/restore.ts';
import { keySpace } from '#apiserver/engine/keys.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { silentLogger } from '#machinery/log.ts';
import type { Store } from '#store/contract.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { addSnapshotOptions, type SnapshotFlags, snapshotArguments } from './options.ts';
import { dueAt, LABEL, parseSnapshotName, snapshotName, snapshotsOf, surplus } from './plan.ts';
import { SnapshotSchedule } from './schedule.ts';

const HOUR = 3_600_000;
const at = (hour: number) => Date.UTC(2026, 0, 31, hour);

describe('names', () => {
  test('are read as they were made', () => {
    const name = snapshotName('scheduled', 'node-1', at(4));
    expect(name).toBe('scheduled-node-1-2026-01-31T04-00-00Z.backup');
    expect(parseSnapshotName(name)).toEqual({ name, kind: 'scheduled', label: 'node-1', timeMs: at(4) });
  });

  test.each([
    'x',
    'scheduled-a-2026-01-31.backup',
    '../scheduled-a-2026-01-31T04-00-00Z.backup',
    'saved--2026-01-31T04-00-00Z.backup',
    'saved-a-2026-13-41T04-00-00Z.backup',
    '.scheduled-a-2026-01-31T04-00-00Z.backup.7.partial',
  ])('%s is none', (name) => expect(parseSnapshotName(name)).toBeUndefined());

  test('labels are parts of names', () => {
    for (const label of ['a', 'before-upgrade', 'node-1.example']) expect(label).toMatch(LABEL);
    for (const label of ['', '-a', 'A', 'a/b', '..', 'a b']) expect(label).not.toMatch(LABEL);
  });
});

describe('when one is due', () => {
  const plan = { everyMs: 6 * HOUR, startedMs: at(1), nowMs: at(1) };
  test.each([
    ['the first soon after the start', undefined, at(1) + 60_000],
    ['the next when the time is over', at(0), at(6)],
    ['a missed one soon after the start', at(0) - 24 * HOUR, at(1) + 60_000],
    ['after a clock that was set back', at(20), at(7)],
  ])('%s', (_, newest, due) => expect(dueAt(newest, plan)).toBe(due));
});

test('too many are those of this server alone, and never what people have saved', () => {
  const names = [1, 2, 3].flatMap((hour) => [
    snapshotName('scheduled', 'a', at(hour)),
    snapshotName('scheduled', 'b', at(hour)),
    snapshotName('saved', 'a', at(hour)),
  ]);
  expect(surplus(snapshotsOf(names), 'a', 2).map(({ name }) => name)).toEqual([
    snapshotName('scheduled', 'a', at(1)),
  ]);
});

describe('flags', () => {
  const parse = (...args: string[]) =>
    addSnapshotOptions(new Command().exitOverride().configureOutput({ writeErr: () => {} }))
      .parse(args, { from: 'user' })
      .opts<SnapshotFlags>();

  test('come again as arguments', () => {
    expect(parse()).toEqual({ snapshotEvery: 12 * HOUR, snapshotKeep: 5 });
    const given = parse('--snapshot-every', '90m', '--snapshot-keep', '3', '--snapshot-dir', '/s');
    expect(given).toEqual({ snapshotEvery: 90 * 60_000, snapshotKeep: 3, snapshotDir: '/s' });
    expect(parse(...snapshotArguments(given).flat())).toEqual(given);
  });

  test.each([
    ['--snapshot-every', '1'],
    ['--snapshot-every', '10ms'],
    ['--snapshot-keep', '0'],
  ])('%s %s is refused', (...args) => expect(() => parse(...args)).toThrow());
});

describe('the schedule', () => {
  let directory: string;
  beforeEach(() => {
    directory = join(mkdtempSync(join(tmpdir(), 'gantry-snapshots-')), 'made');
  });
  afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }));

  const keys = keySpace('test');
  async function world(store: Store = new MemoryStore()) {
    const clock = new VirtualClock(at(0));
    const told: Why[] = [];
    const stop = new AbortController();
    const source = { store, keys, cluster: 'test' };
    const options = { source, directory, label: 'a', everyMs: HOUR, keep: 2, clock, log: silentLogger };
    const schedule = new SnapshotSchedule(options);
    const done = schedule.run((why) => told.push(why), stop.signal);
    const names = () => (existsSync(directory) ? readdirSync(directory).sort() : []);
    /** Files are written in real time. */
    const pass = async (ms: number, is: () => boolean) => {
      await clock.advance(ms);
      await vi.waitFor(
        async () => {
          await clock.advance(0);
          expect(is()).toBe(true);
        },
        { timeout: 10_000 },
      );
    };
    const success = (count: number) => () =>
      schedule.metrics().includes(`gantry_snapshots_total{result="success"} ${count}\n`);
    const end = () => {
      stop.abort();
      return done;
    };
    return { clock, store, told, names, pass, success, schedule, end };
  }

  test('makes them in time, readable by their owner alone, and keeps the newest', async () => {
    const { store, names, pass, success, schedule, end } = await world();
    await store.commit([{ op: 'put', key: `${keys.root}core/a`, value: Buffer.from('x') }], {
      time: 1,
      actor: 'test',
    });
    await pass(59_000, success(0));
    expect(names()).toEqual([]);
    await pass(1_000, success(1));
    for (const count of [2, 3]) await pass(HOUR, success(count));
    await vi.waitFor(() => expect(names()).toHaveLength(2));
    expect(names()).toEqual([1, 2].map((hour) => snapshotName('scheduled', 'a', at(hour) + 60_000)));
    const file = join(directory, names()[0]!);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(schedule.metrics()).toContain(`timestamp_seconds ${(at(2) + 60_000) / 1000}`);
    expect((await checkBackup(createReadStream(file))).end.entries).toBe(1);
    await end();
  });

  test('a failure is told, removes nothing, and is made up for', async () => {
    const store = new MemoryStore();
    let broken = false;
    const list = store.list.bind(store);
    store.list = (...args) => (broken ? Promise.reject(new Error('etcd went')) : list(...args));
    const { names, pass, success, told, schedule, end } = await world(store);
    await pass(60_000, success(1));
    await pass(HOUR, success(2));
    broken = true;
    await pass(HOUR, () => told.length === 1);
    expect(told[0]).toMatchObject({
      reason: 'SnapshotFailed',
      message: expect.stringContaining('etcd went'),
    });
    expect(names()).toHaveLength(2);
    expect(schedule.metrics()).toContain('{result="error"} 1\n');
    broken = false;
    await pass(10 * 60_000, success(3));
    await vi.waitFor(() => expect(names()).toHaveLength(2));
    await end();
  });

  test('what a killed server has left of its own is removed, and of others nothing', async () => {
    mkdirSync(directory, { recursive: true });
    const own = '.scheduled-a-2026-01-31T04-00-00Z.backup.7.partial';
    const others = '.scheduled-b-2026-01-31T04-00-00Z.backup.7.partial';
    for (const name of [own, others]) writeFileSync(join(directory, name), 'x');
    const { names, pass, success, end } = await world();
    await pass(60_000, success(1));
    expect(names()).toEqual([others, snapshotName('scheduled', 'a', at(0) + 60_000)]);
    await end();
  });

  test('a place that is none fails as told', async () => {
    mkdirSync(join(directory, '..'), { recursive: true });
    writeFileSync(directory, 'a file');
    const { told, pass, end } = await world();
    await pass(60_000, () => told.length === 1);
    await end();
  });

  test('none at all when it is switched off', async () => {
    const clock = new VirtualClock(at(0));
    const source = { store: new MemoryStore(), keys, cluster: 'test' };
    const off = { source, directory, label: 'a', everyMs: 0, keep: 2, clock, log: silentLogger };
    await new SnapshotSchedule(off).run(() => undefined, new AbortController().signal);
    expect(existsSync(directory)).toBe(false);
  });
});
