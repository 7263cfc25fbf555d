import { describe, expect, it } from 'vitest';
import { Dispatch, type Interest } from './dispatch.ts';
import type { CacheItem } from './item.ts';
import type { CacheEvent } from './ring.ts';

const onNode = (value: string): Interest => ({
  attribute: 'field spec.nodeName',
  value,
  read: (item) => item.fields?.['spec.nodeName'],
});

const item = (nodeName: string) => ({ fields: { 'spec.nodeName': nodeName } }) as unknown as CacheItem;

const event = (now: string, before?: string) =>
  ({ item: item(now), previous: before === undefined ? undefined : item(before) }) as CacheEvent;

function watched() {
  const dispatch = new Dispatch();
  const seen: string[] = [];
  const watch = (name: string, interest?: Interest) => dispatch.add(() => seen.push(name), interest);
  return { dispatch, seen, watch };
}

describe('events', () => {
  it('reach those who want all, and those who asked for the value', () => {
    const { dispatch, seen, watch } = watched();
    watch('everything');
    for (let n = 0; n < 200; n++) watch(`n${n}`, onNode(`node-${n}`));
    dispatch.emit(event('node-7', 'node-7'));
    expect(seen).toEqual(['everything', 'n7']);
  });

  it('reach the watchers of the value before and of the one after', () => {
    const { dispatch, seen, watch } = watched();
    watch('old', onNode('a'));
    watch('new', onNode('b'));
    watch('other', onNode('c'));
    dispatch.emit(event('b', 'a'));
    expect(seen.sort()).toEqual(['new', 'old']);
  });

  it('reach nobody who has left, and those who came after', () => {
    const { dispatch, seen, watch } = watched();
    const leave = watch('first', onNode('a'));
    leave();
    watch('second', onNode('a'));
    leave();
    dispatch.emit(event('a'));
    expect(seen).toEqual(['second']);
  });
});
