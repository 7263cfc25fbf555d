import { expect, it } from 'vitest';
import { patternFault } from './re2.ts';

/** As controller tools write them, and in ways that only Go knows. */
const GOOD = [
  '^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$',
  '^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$',
  '(?i)^a$',
  '^(?i)(yes|no)$',
  '^(?i:yes)(?s-m:no)(?-i)x$',
  '^(?P<first>a)(?<second>b)(?:c)$',
  '[[:alpha:]_]+[^[:^digit:]]',
  '[(?=]',
  '\\(?=',
  '\\\\(?:a)',
  '\\pN\\z',
];

/** [pattern, what is wrong with it]. */
const BAD: [string, string][] = [
  ['a(?=b)', 'invalid or unsupported Perl syntax: `(?=`'],
  ['(?!b)', 'invalid or unsupported Perl syntax: `(?!`'],
  ['(?<=b)a', 'invalid named capture: `(?<=b)a`'],
  ['(?<!b>c)', 'invalid named capture: `(?<!b>`'],
  ['(a)\\1', 'invalid escape sequence: `\\1`'],
];

it.each(GOOD)('reads %s', (pattern) => expect(patternFault(pattern)).toBeUndefined());

it.each(BAD)('does not read %s', (pattern, fault) =>
  expect(patternFault(pattern)).toBe(`error parsing regexp: ${fault}`),
);

it('does not read what nobody could', () => {
  for (const pattern of ['(', '[a', 'a**', '(?P<a>b)(?P<a>c)'])
    expect(patternFault(pattern)).toMatch(/^error parsing regexp: /);
});
