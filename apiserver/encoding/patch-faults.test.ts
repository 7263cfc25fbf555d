import { expect, test } from 'vitest';
import { refusePatched, refuseStrategic } from './patch-faults.ts';

const TYPE = {} as Parameters<ReturnType<typeof refusePatched>>[0];

test('a strategic patch is shown as Go prints it, with what could not be converted', () => {
  const refuse = refuseStrategic({ spec: { replicas: 'many', paused: null, list: [1, 'a'] } });
  const { reason, message, details } = refuse(TYPE, 'json: ...', {
    found: 'string',
    goType: 'int32',
    form: 'scalar',
  });
  const fault =
    'Invalid value: "map[spec:map[list:[1 a] paused:<nil> replicas:many]]": unrecognized type: int32';
  expect([reason, message]).toEqual(['Invalid', ` "" is invalid: patch: ${fault}`]);
  expect(details).toMatchObject({
    kind: '',
    causes: [{ reason: 'FieldValueInvalid', field: 'patch', message: fault }],
  });
});

test.each([
  ['number', 'string', 'scalar', 'cannot convert int64 to string'],
  ['number 1.5', 'int32', 'scalar', 'cannot convert float64 to int32'],
  ['object', '[]v1.Container', 'list', 'cannot restore slice from map'],
  ['string', 'map[string]string', 'map', 'cannot restore map from string'],
  ['string', 'v1.PodSpec', 'struct', 'cannot restore struct from: string'],
  ['bool', 'v1.PullPolicy', 'scalar', 'unrecognized type: string'],
] as const)('%s for %s', (found, goType, form, words) => {
  const { message } = refuseStrategic({})(TYPE, '', { found, goType, form });
  expect(message).toBe(` "" is invalid: patch: Invalid value: "map[]": ${words}`);
});

test('other patches show the object they would have left', () => {
  const { message } = refusePatched({ a: 1 })(TYPE, 'json: cannot unmarshal number');
  expect(message).toBe(' "" is invalid: patch: Invalid value: "{\\"a\\":1}": json: cannot unmarshal number');
});
