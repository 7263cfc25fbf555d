import { Command } from 'commander';
import { expect, test } from 'vitest';
import {
  addShutdownOptions,
  type ShutdownFlags,
  shutdownArguments,
  shutdownTimes,
} from './shutdown-options.ts';

const parse = (args: string[]) =>
  addShutdownOptions(new Command().exitOverride().configureOutput({ writeErr() {} }))
    .parse(args, { from: 'user' })
    .opts<ShutdownFlags>();
const ALL = '--shutdown-grace-period';
const CRITICAL = '--shutdown-grace-period-critical-pods';

test.each([
  [[], { regularMs: 20_000, criticalMs: 10_000 }],
  [[ALL, '5m'], { regularMs: 290_000, criticalMs: 10_000 }],
  [[ALL, '60s', CRITICAL, '0s'], { regularMs: 60_000, criticalMs: 0 }],
  [[ALL, '0s'], { regularMs: 0, criticalMs: 10_000 }],
])('%j', (args, expected) => {
  expect(shutdownTimes(parse(args))).toEqual(expected);
  expect(shutdownTimes(parse(shutdownArguments(parse(args)).flat()))).toEqual(expected);
});

test('what cannot be is refused with a reason', () => {
  expect(() => shutdownTimes(parse([ALL, '10s']))).toThrow(
    '--shutdown-grace-period-critical-pods 10s must be less than --shutdown-grace-period 10s',
  );
  expect(() => parse([ALL, 'soon'])).toThrow('write it as 30s, 5m or 0s.');
});
