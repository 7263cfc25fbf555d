import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { garbageCollected, optimizeWhenBusy, WITHOUT_OPTIMIZER } from './optimizer.ts';

const work = () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const state = { cpuMs: 300, times: 0, watched: true };
  let collected = () => {};
  optimizeWhenBusy({
    clock,
    signal: stop.signal,
    cpuMs: () => state.cpuMs,
    onGarbage(tell) {
      collected = tell;
      return () => {
        state.watched = false;
      };
    },
    optimize: () => state.times++,
  });
  const use = async (ms: number, inMs = 1_000) => {
    state.cpuMs += ms;
    await clock.advance(inMs);
    collected();
  };
  return { state, stop, use };
};

test('a process at rest is left as it is, for however long', async () => {
  const { state, stop, use } = work();
  for (let turn = 0; turn < 1_000; turn++) await use(99);
  await use(100, 60_000);
  expect(state).toMatchObject({ times: 0, watched: true });
  stop.abort();
  expect(state).toMatchObject({ times: 0, watched: false });
});

test('one that is busy for a second is optimized, once', async () => {
  const { state, use } = work();
  await use(10, 60_000);
  for (let turn = 0; turn < 9; turn++) await use(100, 100);
  expect(state.times).toBe(0);
  await use(100, 100);
  expect(state).toMatchObject({ times: 1, watched: false });
});

test('garbage is told of', async () => {
  const told = Promise.withResolvers<void>();
  const stop = garbageCollected(told.resolve);
  let made: string[] = [];
  const timer = setInterval(() => {
    made = Array.from({ length: 100_000 }, (_, at) => `${at} of ${made.length}`);
  }, 1);
  await told.promise;
  clearInterval(timer);
  stop();
});

test('V8 optimizes from then on, and not before', () => {
  const script = `
    import { switchOptimizerOn } from ${JSON.stringify(new URL('./optimizer.ts', import.meta.url).href)};
    function sum(bytes) { let all = 0; for (const byte of bytes) all = (all * 31 + byte) | 0; return all; }
    const bytes = new Uint8Array(10_000).fill(7);
    const isOptimized = () => {
      for (let turn = 0; turn < 500; turn++) sum(bytes);
      %FinalizeOptimization();
      sum(bytes);

      return %ActiveTierIsTurbofan(sum);
    };
    const before = isOptimized();
    switchOptimizerOn();
    console.log(before, isOptimized());`;
  const flags = ['--allow-natives-syntax', '--disable-warning=ExperimentalWarning', '--input-type=module'];
  const said = execFileSync(process.execPath, [...WITHOUT_OPTIMIZER, ...flags, '-e', script]);
  expect(said.toString().trim()).toBe('false true');
});
