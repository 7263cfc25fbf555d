import { describe, expect, test } from 'vitest';
import { formatJson, formatYaml, parseYaml, parseYamlObject, YamlError } from './yaml.ts';

const value = (text: string) => (parseYaml(`a: ${text}`)[0] as { a: unknown }).a;

describe('plain values, as kubectl understands them', () => {
  test.each([
    ['yes', true],
    ['Off', false],
    ['y', true],
    ['"yes"', 'yes'],
    ['0644', 420],
    ['0o17', 15],
    ['0x10', 16],
    ['0b11', 3],
    ['089', 89],
    ['1_000', 1000],
    ['-12', -12],
    ['1.5', 1.5],
    ['1e3', 1000],
    ['12:30', '12:30'],
    ['22:22:22', '22:22:22'],
    ['1.2.3', '1.2.3'],
    ['2026-01-01', '2026-01-01'],
    ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'],
    ['~', null],
    ['', null],
    ['500m', '500m'],
    ['10.0.0.1', '10.0.0.1'],
    ['!!binary aGk=', 'hi'],
    ['1_0.5', 10.5],
    ['|\n  x\n  y', 'x\ny\n'],
  ])('%j', (text, expected) => expect(value(text)).toEqual(expected));
});

test('several documents, empty ones left out', () => {
  expect(parseYaml('---\na: 1\n---\n# nothing\n---\nb: 2\n...\n')).toEqual([{ a: 1 }, { b: 2 }]);
  expect(parseYaml('')).toEqual([]);
  expect(parseYaml('{"a": [1, {"b": null}]}')).toEqual([{ a: [1, { b: null }] }]);
});

test('anchors and merge keys give each place its own value', () => {
  const [document] = parseYaml('base: &b {x: {k: 1}}\none: *b\ntwo: {<<: *b, z: 2}\n') as [
    Record<string, { x: { k: number } }>,
  ];
  expect(document).toEqual({ base: { x: { k: 1 } }, one: { x: { k: 1 } }, two: { x: { k: 1 }, z: 2 } });
  document['one']!.x.k = 5;
  expect(document['base']!.x.k).toBe(1);
});

describe('faults', () => {
  test.each([
    ['a: 1\nb: [', 2],
    ['a: 1\na: 2', 2],
    ['a:\n\t- x', 2],
    ['a: *nothing', 1],
    ['a: "x', 1],
  ])('%j is told with file, line and column', (text, line) => {
    const failing = () => parseYaml(text, { file: 'hello.yaml' });
    expect(failing).toThrow(YamlError);
    expect(failing).toThrow(new RegExp(`^hello\\.yaml:${line}:\\d+: `));
  });

  test('a bomb of aliases is refused, and so is endless nesting', () => {
    const levels = Array.from(
      { length: 12 },
      (_, at) => `l${at + 1}: &l${at + 1} [${Array(9).fill(`*l${at}`).join(',')}]`,
    );
    expect(() => parseYaml(`l0: &l0 x\n${levels.join('\n')}`)).toThrow('aliases expand');
    expect(() => parseYaml('['.repeat(5000))).toThrow(YamlError);
    expect(() => parseYaml('a: &a [*a]')).toThrow(YamlError);
    expect(() => parseYaml('x'.repeat(50), { maxLength: 10 })).toThrow('longer than 10');
  });

  test('a request body is one object', () => {
    expect(parseYamlObject('a: 1')).toEqual({ a: 1 });
    expect(() => parseYamlObject('a: 1\n---\nb: 1')).toThrow('found 2 documents');
    expect(() => parseYamlObject('- a')).toThrow('another value');
  });

  test('a key called __proto__ is data', () => {
    const object = parseYamlObject('__proto__: {x: 1}\na: &a 1\nb: *a');
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
    expect((object as { x?: number }).x).toBeUndefined();
  });
});

test('output is as kubectl prints it and reads back the same', () => {
  const object = {
    kind: 'Pod',
    apiVersion: 'v1',
    spec: { containers: [{ name: 'yes', args: ['1', 'a: b', '012', ''] }] },
  };
  expect(formatYaml(object)).toBe(
    'apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - args:\n    - "1"\n    - "a: b"\n    - "012"\n    - ""\n    name: "yes"\n',
  );
  expect(parseYaml(formatYaml(object))).toEqual([object]);
  expect(formatJson({ b: 1, a: [] })).toBe('{\n    "a": [],\n    "b": 1\n}\n');
});
