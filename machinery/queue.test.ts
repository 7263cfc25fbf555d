import { beforeEach, describe, expect, it } from 'vitest';
import { settle, VirtualClock } from './clock-virtual.ts';
import { WorkQueue } from './queue.ts';
import { seededRandom } from './random.ts';

let clock: VirtualClock;
let started: string[];
let finish: Map<string, () => void>;
let fail: Map<string, (error: Error) => void>;

beforeEach(() => {
  clock = new VirtualClock();
  started = [];
  finish = new Map();
  fail = new Map();
});

function queue(concurrency = 2, work?: (key: string, free: () => void) => Promise<void>): WorkQueue<string> {
  return new WorkQueue<string>({
    clock,
    random: seededRandom(1),
    concurrency,
    work:
      work ??
      ((key) => {
        started.push(key);
        return new Promise((resolve, reject) => {
          finish.set(key, resolve);
          fail.set(key, reject);
        });
      }),
  });
}

describe('a work queue', () => {
  it('works on a key once however often it was added', async () => {
    const q = queue();
    q.add('a');
    q.add('a');
    await settle();
    expect(started).toEqual(['a']);
  });

  it('works on a key again when it was added meanwhile, never twice at a time', async () => {
    const q = queue();
    q.add('a');
    await settle();
    q.add('a');
    q.add('a');
    await settle();
    expect(started).toEqual(['a']);
    finish.get('a')!();
    await settle();
    expect(started).toEqual(['a', 'a']);
  });

  it('keeps to its number of places', async () => {
    const q = queue(2);
    for (const key of ['a', 'b', 'c']) q.add(key);
    await settle();
    expect(started).toEqual(['a', 'b']);
    finish.get('a')!();
    await settle();
    expect(started).toEqual(['a', 'b', 'c']);
  });

  it('lets another key in when a worker only waits, and still keeps the key', async () => {
    const q = queue(1, (key, free) => {
      started.push(key);
      free();
      return new Promise((resolve) => finish.set(key, resolve));
    });
    q.add('a');
    q.add('b');
    q.add('a');
    await settle();
    expect(started).toEqual(['a', 'b']);
  });

  it('brings a failed key back later and later, and forgets after a success', async () => {
    const q = queue();
    q.add('a');
    const times: number[] = [];
    for (let i = 0; i < 4; i++) {
      await settle();
      times.push(clock.monotonic());
      fail.get('a')!(new Error('no'));
      await settle();
      await clock.advance(clock.next! - clock.now());
    }
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    expect(gaps[1]! > gaps[0]! && gaps[2]! > gaps[1]!).toBe(true);
    finish.get('a')!();
    await settle();
    q.add('a');
    await settle();
    fail.get('a')!(new Error('no'));
    await settle();
    expect(clock.next! - clock.now()).toBeLessThanOrEqual(5);
  });

  it('keeps the earliest of several delays', async () => {
    const q = queue();
    q.addAfter('a', 1000);
    q.addAfter('a', 100);
    q.addAfter('a', 5000);
    await clock.advance(100);
    expect(started).toEqual(['a']);
    finish.get('a')!();
    await clock.advance(10_000);
    expect(started).toEqual(['a']);
  });

  it('stops after the work under way and takes nothing more', async () => {
    const q = queue(1);
    q.add('a');
    q.add('b');
    await settle();
    let stopped = false;
    const stopping = q.stop().then(() => {
      stopped = true;
    });
    await settle();
    expect(stopped).toBe(false);
    finish.get('a')!();
    await stopping;
    q.add('c');
    await settle();
    expect(started).toEqual(['a']);
  });
});
