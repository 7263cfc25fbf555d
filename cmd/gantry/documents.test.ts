import { describe, expect, test } from 'vitest';
import { DocumentError, parseObjects, readSources } from './documents.ts';

const parse = (text: string) => parseObjects([{ name: 'x.yaml', text }]);
const fault = (text: string): string => {
  try {
    parse(text);
  } catch (error) {
    expect(error).toBeInstanceOf(DocumentError);
    return (error as Error).message;
  }
  throw new Error('it was accepted');
};

describe('documents', () => {
  test('come in order, from many documents and lists', () => {
    const text = `apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
# nothing here
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Secret, metadata: {name: b}}
  - {apiVersion: v1, kind: Secret, metadata: {name: c}}
`;
    expect(parse(text).map(({ where }) => where)).toEqual(['x.yaml:1', 'x.yaml:7', 'x.yaml:7']);
  });

  test('keep dates and octal-looking text as Kubernetes does', () => {
    const [first] = parse('apiVersion: v1\nkind: X\nmetadata: {name: a}\nat: 2026-01-01\nyes: on\n');
    expect(first!.object).toMatchObject({ at: '2026-01-01' });
  });

  test.each([
    ['a: [1\nb: 2\n', 'x.yaml:2:1: '],
    ['apiVersion: v1\nkind: X\n', 'x.yaml:1: metadata.name is missing'],
    ['- a\n', 'x.yaml:1:1: an object is expected here'],
    ['a: 1\na: 2\n', 'x.yaml:2:1: Map keys must be unique'],
  ])('%j is told with its place', (text, message) => {
    expect(fault(text)).toContain(message);
  });

  test('every faulty document is told at once', () => {
    expect(fault('a: [\n---\nb: [\n').split('\n').length).toBe(2);
  });

  test('a bomb of aliases is refused', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i++)
      lines.push(`a${i}: &a${i} [${Array.from({ length: 9 }, () => `*a${i - 1}`).join(', ')}]`);
    expect(() => parse(lines.join('\n'))).toThrow(/alias/i);
  });

  test('a file that is not there is named', () => {
    expect(() => readSources(['/no/such/file.yaml'], () => '')).toThrow(
      '/no/such/file.yaml: no such file or folder',
    );
  });
});
