import { expect, it } from 'vitest';
import { stopSignalOf } from './stop-signal.ts';

it.each([
  ['SIGQUIT', 3],
  ['quit', 3],
  ['9', 9],
  ['SIGRTMIN+3', 37],
  ['RTMAX-1', 63],
  ['', undefined],
  ['SIGNOTHING', undefined],
  ['99', undefined],
])('%s is signal %s', (text, signal) => {
  expect(stopSignalOf(text)).toBe(signal);
});
