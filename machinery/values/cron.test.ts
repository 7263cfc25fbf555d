import { expect, it } from 'vitest';
import { cronFault } from './cron.ts';

it.each(['* * * * *', '*/5 0-6 1,15 jan-DEC Mon', '0 0 ? * 0', '@daily', '@every 1h30m', '5/10 * * * *'])(
  '%s is a schedule',
  (schedule) => {
    expect(cronFault(schedule)).toBeUndefined();
  },
);

it.each([
  ['', 'empty spec string'],
  ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
  ['* * * * * *', 'expected exactly 5 fields, found 6: [* * * * * *]'],
  ['60 * * * *', 'end of range (60) above maximum (59): 60'],
  ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['9-3 * * * *', 'beginning of range (9) beyond end of range (3): 9-3'],
  ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
  ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['x * * * *', 'failed to parse int from x: invalid syntax'],
  ['-1 * * * *', 'failed to parse int from : invalid syntax'],
  ['@never', 'unrecognized descriptor: @never'],
  ['@every day', 'failed to parse duration @every day: not a duration'],
])('%j is none', (schedule, fault) => {
  expect(cronFault(schedule)).toBe(fault);
});
