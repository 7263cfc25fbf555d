import { expect, test } from 'vitest';
import type { Line } from './api-writer.ts';
import { findings, type Held, recordsIn } from './checks.ts';

const line = (op: 'record' | 'create' | 'count', writer: string, n: number, ok = true): Line => ({
  ...{ op, writer, n, ok, ms: 1, via: 'http://192.0.2.11' },
});
const LINES: Line[] = [
  ...[
    line('record', 'w1', 1),
    line('record', 'w1', 2, false),
    line('record', 'w1', 2),
    line('record', 'w2', 1),
  ],
  ...[line('create', 'a1', 1), line('create', 'a1', 2), line('count', 'a1', 1), line('count', 'a1', 2)],
];
const HELD: Held = {
  records: new Set(['w1-1', 'w1-2', 'w2-1']),
  objects: new Map([
    ['a1-1', 1],
    ['a1-2', 2],
    ['counter-a1', 2],
  ]),
  ...{ unwell: [], twice: [], stray: [] },
};

test('when all that was acknowledged is there, nothing is found', () => {
  expect(findings(LINES, HELD)).toEqual([]);
  // What was not acknowledged may be there, or not.
  const more = [...LINES, line('record', 'w1', 3, false), line('count', 'a1', 3, false)];
  expect(findings(more, { ...HELD, objects: new Map([...HELD.objects, ['counter-a1', 3]]) })).toEqual([]);
});

test.each<[string, Partial<Held>]>([
  ['a record is lost: w1-2: acknowledged at 2, not there', { records: new Set(['w1-1', 'w2-1']) }],
  [
    'a write is lost: a1-1: acknowledged at 1, not there',
    {
      objects: new Map([
        ['a1-2', 2],
        ['counter-a1', 2],
      ]),
    },
  ],
  [
    'a write is lost: counter-a1: acknowledged at 2, holds 1',
    { objects: new Map([...HELD.objects, ['counter-a1', 1]]) },
  ],
  ['a pod ran twice: uid', { twice: ['uid'] }],
  ['a process is not as the API says: h1', { stray: ['h1'] }],
  ['node-1 is not Ready', { unwell: ['node-1 is not Ready'] }],
])('%s', (found, planted) => {
  expect(findings(LINES, { ...HELD, ...planted })).toEqual([found]);
});

test('what a client must never see is found, and so is a run in which nothing happened', () => {
  expect(findings([...LINES, { op: 'broken', writer: 'a1', why: 'time went back' }], HELD)).toEqual([
    'a promise is broken: a1: time went back',
  ]);
  expect(findings([], HELD)).toEqual(['no record was acknowledged', 'no write was acknowledged']);
});

test('many are counted', () => {
  const many = Array.from({ length: 30 }, (_, at) => line('record', 'w9', at + 1));
  const found = findings([...LINES, ...many], HELD);
  expect(found).toHaveLength(21);
  expect(found.at(-1)).toBe('a record is lost: and 10 more');
});

test('records are whole lines', () => {
  expect(recordsIn('\nw1-1;\n\nw1-2;\n\nw1-3')).toEqual(['w1-1', 'w1-2']);
  // A full disk cut one in half, and what came after it begins a line of its own.
  expect(recordsIn('\nw1-1\nw1-12;\n')).toEqual(['w1-12']);
});
