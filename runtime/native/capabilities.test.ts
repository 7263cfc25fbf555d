import { expect, test } from 'vitest';
import { CAPABILITIES, capabilityMask, DEFAULT_CAPABILITIES, effectiveCapabilities } from './capabilities.ts';

test('without a change a container holds the default set', () => {
  expect(effectiveCapabilities().toSorted()).toEqual(DEFAULT_CAPABILITIES.toSorted());
  expect(effectiveCapabilities({}, true)).toEqual([...CAPABILITIES]);
});

test('add and drop take names with and without prefix, and ALL', () => {
  expect(effectiveCapabilities({ drop: ['ALL'], add: ['NET_BIND_SERVICE'] })).toEqual([
    'CAP_NET_BIND_SERVICE',
  ]);
  expect(effectiveCapabilities({ add: ['ALL'], drop: ['sys_admin'] })).not.toContain('CAP_SYS_ADMIN');
  expect(effectiveCapabilities({ drop: ['CAP_MKNOD'] })).not.toContain('CAP_MKNOD');
});

test('the mask has the bit of each name and refuses unknown ones', () => {
  expect(capabilityMask(['CAP_CHOWN', 'CAP_SYS_ADMIN', 'CAP_CHECKPOINT_RESTORE'])).toBe(
    1n | (1n << 21n) | (1n << 40n),
  );
  expect(() => capabilityMask(['CAP_FLY'])).toThrow('CAP_FLY');
});
