import { expect, test } from 'vitest';
import { VirtualClock } from './clock-virtual.ts';
import { memoryLogger, textLogger } from './log.ts';

test('text lines carry time, level, message and fields; lower levels are left out', () => {
  const lines: string[] = [];
  const log = textLogger((line) => lines.push(line), 'info', new VirtualClock()).child({ part: 'agent' });
  log.debug('not shown');
  log.warn('pull failed', { image: 'a/b:c', error: new Error('no route') });
  expect(lines).toEqual([
    '2026-01-01T00:00:00.000Z WARN  pull failed part=agent image=a/b:c error="no route"\n',
  ]);
});

test('a value cannot forge a second line or field', () => {
  const lines: string[] = [];
  textLogger((line) => lines.push(line), 'info', new VirtualClock()).info('x', { name: 'a\nb user=admin' });
  expect(lines[0]!.split('\n')).toHaveLength(2);
  expect(lines[0]).toContain('name="a\\nb user=admin"');
});

test('the memory logger keeps level, message and inherited fields', () => {
  const lines: Parameters<typeof memoryLogger>[0] = [];
  memoryLogger(lines, { a: 1 }).child({ b: 2 }).error('broken', { c: 3 });
  expect(lines).toEqual([{ level: 'error', message: 'broken', fields: { a: 1, b: 2, c: 3 } }]);
});
