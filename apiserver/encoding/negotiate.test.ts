import { describe, expect, it } from 'vitest';
import { isStatus } from '#machinery/errors.ts';
import { formatOf, negotiate } from './negotiate.ts';

describe('negotiation', () => {
  it('gives JSON to those who take anything', () => {
    for (const accept of [undefined, '*/*', 'application/json, */*', 'text/html, application/*'])
      expect(negotiate(accept)).toMatchObject({ format: 'json', shape: 'object' });
  });

  it('gives kubectl its table, in the version it names first', () => {
    const accept =
      'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json';
    expect(negotiate(accept)).toMatchObject({ shape: 'table', metaVersion: 'v1' });
    expect(negotiate('application/json;as=Table;v=v1beta1;g=meta.k8s.io')).toMatchObject({
      metaVersion: 'v1beta1',
    });
  });

  it('passes over what it does not know', () => {
    expect(negotiate('application/json;as=Graph;v=v1;g=meta.k8s.io,application/yaml')).toMatchObject({
      format: 'yaml',
    });
  });

  it('heeds the order of quality', () => {
    expect(negotiate('application/json;q=0.5,application/vnd.kubernetes.protobuf').format).toBe('protobuf');
  });

  it.each(['text/html', 'constructor', '__proto__', 'application/json;as=toString;v=v1;g=meta.k8s.io'])(
    'refuses %s, which it cannot make',
    (accept) => {
      expect(() => negotiate(accept)).toThrow(
        expect.toSatisfy((error: unknown) => isStatus(error, 'NotAcceptable')),
      );
    },
  );

  it('finds a format for errors whatever is accepted', () => {
    expect(formatOf('application/yaml')).toBe('yaml');
    for (const accept of [undefined, 'text/html', ';;;', 'constructor'])
      expect(formatOf(accept)).toBe('json');
  });
});
