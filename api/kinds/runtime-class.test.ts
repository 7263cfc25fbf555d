import { describe, expect, it } from 'vitest';
import { made, refusals, updateRefusals } from '../testing/refusals.ts';
import { wideRow } from '../testing/rows.ts';
import { RuntimeClassKind } from './runtime-class.ts';

describe('a runtime class', () => {
  it('has a handler, a cost that can be, and nodes that can be', () => {
    const faults = refusals(RuntimeClassKind, {
      handler: 'a.b',
      overhead: { podFixed: { cpu: '-1', pods: '1' } },
      scheduling: { nodeSelector: { a: '-' }, tolerations: [{ key: 'a', operator: 'Like' }] },
    });
    expect(faults).toEqual([
      'handler: Invalid value: "a.b": must not contain dots',
      'overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
      'overhead.limits[pods]: Invalid value: "pods": must be a standard resource for containers',
      expect.stringMatching(/^scheduling.nodeSelector: Invalid value: "-": a valid label must be /),
      'scheduling.tolerations[0].operator: Unsupported value: "Like": supported values: "Equal", "Exists"',
    ]);
    expect(refusals(RuntimeClassKind, {})).toEqual([
      expect.stringMatching(/^handler: Invalid value: "": a lowercase RFC 1123 label must consist of /),
    ]);
  });

  it('keeps its handler', () => {
    expect(updateRefusals(RuntimeClassKind, { handler: 'a' }, { handler: 'b' })).toEqual([
      'handler: Invalid value: "b": field is immutable',
    ]);
  });

  it('says its cost canonically', () => {
    const runtimeClass = made(RuntimeClassKind, { handler: 'a', overhead: { podFixed: { cpu: '0.25' } } });
    expect(runtimeClass).toEqual({
      apiVersion: 'v1',
      kind: 'RuntimeClass',
      metadata: { name: 'x' },
      handler: 'a',
      overhead: { podFixed: { cpu: '250m' } },
    });
  });

  it('is listed with its handler', () => {
    expect(wideRow(RuntimeClassKind as never, { handler: 'a' })).toEqual(['Name|Handler|Age', 'x|a|24h']);
  });
});
