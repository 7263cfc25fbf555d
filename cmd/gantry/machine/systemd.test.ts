import { expect, test } from 'vitest';
import { machineGoesDown } from './systemd.ts';

test.each([
  ['stopping\n', true],
  ['running\n', false],
  ['degraded\n', false],
  ['', false],
])('systemd says %j', async (state, expected) => {
  expect(await machineGoesDown(async () => state)).toBe(expected);
});
