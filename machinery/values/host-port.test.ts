import { expect, test } from 'vitest';
import { hostPort } from './host-port.ts';

test.each([
  ['10.0.0.1', '10.0.0.1:6443'],
  ['fd00::1', '[fd00::1]:6443'],
  ['server.example', 'server.example:6443'],
])('%s', (host, text) => {
  expect(hostPort(host, 6443)).toBe(text);
});
