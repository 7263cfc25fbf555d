import { expect, test } from 'vitest';
import { capabilityMask } from './capabilities.ts';

test('the mask has the bit of each name and refuses unknown ones', () => {
  expect(capabilityMask(['CAP_CHOWN', 'CAP_SYS_ADMIN', 'CAP_CHECKPOINT_RESTORE'])).toBe(
    1n | (1n << 21n) | (1n << 40n),
  );
  expect(() => capabilityMask(['CAP_FLY'])).toThrow('CAP_FLY');
});
