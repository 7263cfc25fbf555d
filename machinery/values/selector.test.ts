import { describe, expect, test } from 'vitest';
import {
  formatFieldSelector,
  matchesFieldSelector,
  parseFieldSelector,
  requiredFieldValue,
} from './field-selector.ts';
import {
  describeLabelSelector,
  formatSelector,
  matchesLabelSelector,
  matchesSelector,
  parseSelector,
  selectorOf,
} from './selector.ts';

describe('label selectors as text', () => {
  test.each([
    ['', ''],
    ['a=b', 'a=b'],
    ['b==c , a!=d', 'a!=d,b=c'],
    ['e in (y,x)', 'e in (x,y)'],
    ['e notin (x)', 'e notin (x)'],
    ['g,!h', 'g,!h'],
    ['i>1,j<2', 'i>1,j<2'],
    ['a=', 'a='],
    ['a in ()', 'a in ()'],
    ['example.com/a=b', 'example.com/a=b'],
    ['in=in', 'in=in'],
  ])('%j is understood as %j', (text, canonical) => {
    expect(formatSelector(parseSelector(text))).toBe(canonical);
    expect(formatSelector(parseSelector(canonical))).toBe(canonical);
  });

  test.each([
    'a=b,',
    ',',
    '=b',
    'a in',
    'a in b',
    'a in (b',
    'a b',
    '!',
    'a=b=c',
    '-a=b',
    'a=-b',
    'a>b',
    'a/b/c',
    'a!b',
  ])('%j is refused', (text) => expect(() => parseSelector(text)).toThrow('unable to parse requirement'));

  test('matching', () => {
    const labels = { app: 'web', tier: 'a', n: '5' };
    const match = (text: string) => matchesSelector(parseSelector(text), labels);
    expect(match('app=web,tier in (a,b),!x,n>4,n<6,app')).toBe(true);
    expect(match('x!=y')).toBe(true);
    expect(match('x notin (y)')).toBe(true);
    expect(match('app!=web')).toBe(false);
    expect(match('x in (y)')).toBe(false);
    expect(match('app>4')).toBe(false);
    expect(match('constructor')).toBe(false);
  });
});

describe('label selectors of objects', () => {
  test('a missing one selects nothing, an empty one everything', () => {
    expect(matchesLabelSelector(undefined, { a: 'b' })).toBe(false);
    expect(matchesLabelSelector({}, undefined)).toBe(true);
  });

  test('labels and expressions must all hold', () => {
    const selector = {
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['b', 'a'] },
        { key: 'old', operator: 'DoesNotExist' },
      ],
    };
    expect(matchesLabelSelector(selector, { app: 'web', tier: 'a' })).toBe(true);
    expect(matchesLabelSelector(selector, { app: 'web', tier: 'a', old: '' })).toBe(false);
    expect(describeLabelSelector(selector)).toBe('app=web,!old,tier in (a,b)');
  });

  test('an unknown operator is an error, and shown as one', () => {
    const selector = { matchExpressions: [{ key: 'a', operator: 'constructor' }] };
    expect(() => selectorOf(selector)).toThrow('"constructor" is not a valid label selector operator');
    expect(describeLabelSelector(selector)).toBe('<error>');
    expect(describeLabelSelector({})).toBe('<none>');
  });
});

describe('field selectors', () => {
  test('are read, matched and written back', () => {
    const selector = parseFieldSelector('status.phase=Running,metadata.name!=a\\,b,x==');
    const fields: Record<string, string> = { 'status.phase': 'Running', 'metadata.name': 'c' };
    expect(matchesFieldSelector(selector, (field) => fields[field] ?? '')).toBe(true);
    expect(requiredFieldValue(selector, 'status.phase')).toBe('Running');
    expect(requiredFieldValue(selector, 'metadata.name')).toBeUndefined();
    expect(formatFieldSelector(selector)).toBe('status.phase=Running,metadata.name!=a\\,b,x=');
    expect(matchesFieldSelector(parseFieldSelector('metadata.name!=c'), (field) => fields[field]!)).toBe(
      false,
    );
  });

  test.each(['a', 'a=b=c', 'a=b\\c'])('%j is refused', (text) =>
    expect(() => parseFieldSelector(text)).toThrow('invalid selector'),
  );
});
