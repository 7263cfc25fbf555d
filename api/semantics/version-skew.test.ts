import { describe, expect, test } from 'vitest';
import { nodeSkew, serverSkew } from './version-skew.ts';

describe('a node', () => {
  test.each<[string | undefined, string, string | undefined]>([
    ['v1.7.2', '1.7.0', undefined],
    ['v1.4.9', '1.7.0', undefined],
    [
      'v1.3.9',
      '1.7.0',
      'the node runs 1.3.9, the server 1.7.0: it may be 3 minor versions older at most; upgrade it',
    ],
    [
      'v1.8.0',
      '1.7.5',
      'the node runs 1.8.0, the server 1.7.5: a node must not be newer than the server; upgrade the servers first',
    ],
    ['v1.7.9', '1.7.0', undefined],
    ['v2.7.0', '1.7.0', 'the node runs 2.7.0, the server 1.7.0: they are of different major versions'],
    [undefined, '1.7.0', undefined],
    ['vtest', '1.7.0', undefined],
  ])('%s beside a server %s', (node, server, expected) => {
    expect(nodeSkew(node, server)).toBe(expected);
  });
});

describe('two servers', () => {
  test.each([
    ['1.7.0', '1.8.3', true],
    ['1.8.3', '1.7.0', true],
    ['1.9.0', '1.7.0', false],
    ['1.7.0', '1.9.0', false],
    ['2.0.0', '1.9.0', false],
    ['1.7.0', undefined, true],
  ])('%s and %s', (own, other, fit) => {
    expect(serverSkew(own, other) === undefined).toBe(fit);
  });
});
