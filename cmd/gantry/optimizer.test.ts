import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { optimizeWhenBusy, WITHOUT_OPTIMIZER } from './optimizer.ts';

const work = () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const state = { cpuMs: 300, times: 0 };
  const ended = optimizeWhenBusy({
    clock,
    signal: stop.signal,
    cpuMs: () => state.cpuMs,
    optimize: () => state.times++,
  });
  const use = async (ms: number) => {
    state.cpuMs += ms;
    await clock.advance(1_000);
  };
  return { state, stop, ended, use };
};

test('a process at rest is left as it is, for however long', async () => {
  const { state, stop, ended, use } = work();
  for (let turn = 0; turn < 1_000; turn++) await use(99);
  expect(state.times).toBe(0);
  stop.abort();
  await ended;
  expect(state.times).toBe(0);
});

test('one that is busy is optimized, once', async () => {
  const { state, ended, use } = work();
  await use(10);
  await use(100);
  await ended;
  await use(5_000);
  expect(state.times).toBe(1);
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
