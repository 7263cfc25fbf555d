import { expect, it } from 'vitest';
import type { Entry } from '#store/contract.ts';
import { encodeValue } from '#store/value.ts';
import { checkEvent } from './invariants.ts';

const entry = (nodeName: string | undefined, phase = 'Running', uid = '1'): Entry => {
  const pod = { metadata: { name: 'web', uid }, spec: { nodeName }, status: { phase } };
  const value = encodeValue({ time: 0, actor: 'test' }, Buffer.from(JSON.stringify(pod)));
  return { key: '/gantry/sim/v1/core/pods/default/web', value, revision: 1, createRevision: 1 };
};
const change = (previous: Entry, now: Entry) => checkEvent({ type: 'put', entry: now, previous });

it('a pod is bound once', () => {
  expect(change(entry(undefined), entry('a'))).toBeUndefined();
  expect(change(entry('a'), entry('a'))).toBeUndefined();
  expect(change(entry('a'), entry('b'))).toBe('web was bound to a, then to b');
  expect(change(entry('a'), entry('b', 'Running', '2'))).toBeUndefined();
});

it('a pod that ended does not run again', () => {
  expect(change(entry('a'), entry('a', 'Failed'))).toBeUndefined();
  expect(change(entry('a', 'Failed'), entry('a'))).toBe('web had ended and runs again');
});
