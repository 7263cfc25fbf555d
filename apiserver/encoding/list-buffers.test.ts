import { expect, test } from 'vitest';
import { takeBuffer } from './list-buffers.ts';

const MB = 1024 * 1024;

test('a buffer is filled again only after it was given back, and by one user at a time', () => {
  const first = takeBuffer(2 * MB);
  const meanwhile = takeBuffer(2 * MB);
  expect(meanwhile.bytes.buffer).not.toBe(first.bytes.buffer);
  first.giveBack();
  first.giveBack();
  const second = takeBuffer(2 * MB - 10);
  expect(second.bytes.buffer).toBe(first.bytes.buffer);
  expect(second.bytes.length).toBe(2 * MB - 10);
  expect(takeBuffer(2 * MB).bytes.buffer).not.toBe(first.bytes.buffer);
});

test('a small list does not take the buffer of a large one, nor a large one that of a small', () => {
  const large = takeBuffer(4 * MB);
  large.giveBack();
  const small = takeBuffer(MB);
  expect(small.bytes.buffer).not.toBe(large.bytes.buffer);
  small.giveBack();
  expect(takeBuffer(2 * MB).bytes.buffer).not.toBe(small.bytes.buffer);
});
