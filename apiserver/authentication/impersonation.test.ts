import { describe, expect, test } from 'vitest';
import type { AuthorizationAttributes, Authorizer } from '../contract.ts';
import { impersonated } from './impersonation.ts';

const CALLER = { name: 'boss', groups: ['system:authenticated'] };

/** Allows what `allowed` lists as `resource/name`. */
function authorizer(...allowed: string[]): Authorizer {
  const wanted = ({ resource, name, verb }: AuthorizationAttributes) =>
    verb === 'impersonate' && allowed.includes(`${resource}/${name}`);
  return {
    authorize: (attributes) =>
      wanted(attributes) ? { allowed: true, reason: '' } : { allowed: false, denied: false, reason: '' },
    rules: () => ({ resources: [], paths: [] }),
  };
}

describe('impersonation', () => {
  test('without a header the caller stays who they are', () => {
    expect(impersonated(CALLER, {}, authorizer())).toBe(CALLER);
  });

  test('a user, with groups, uid and extra', () => {
    const headers = {
      'impersonate-user': 'jane',
      'impersonate-group': 'dev, ops',
      'impersonate-uid': 'u1',
      'impersonate-extra-scope%2fx': 'a',
    };
    const may = authorizer('users/jane', 'groups/dev', 'groups/ops', 'uids/u1', 'userextras/a');
    expect(impersonated(CALLER, headers, may)).toEqual({
      name: 'jane',
      groups: ['dev', 'ops', 'system:authenticated'],
      uid: 'u1',
      extra: { 'scope/x': ['a'] },
    });
  });

  test('a key of extra that is not escaped as it should be counts as it stands', () => {
    for (const key of ['%', '%ff', '%zz', '__proto__']) {
      const headers = { 'impersonate-user': 'jane', [`impersonate-extra-${key}`]: 'a' };
      const { extra } = impersonated(CALLER, headers, authorizer('users/jane', 'userextras/a'));
      expect(Object.entries(extra!)).toEqual([[key, ['a']]]);
    }
  });

  test('a service account comes with its groups', () => {
    const headers = { 'impersonate-user': 'system:serviceaccount:ns:robot' };
    expect(impersonated(CALLER, headers, authorizer('serviceaccounts/robot')).groups).toEqual([
      'system:serviceaccounts',
      'system:serviceaccounts:ns',
      'system:authenticated',
    ]);
  });

  test.each([
    [{ 'impersonate-user': 'jane' }, 'users "jane" is forbidden'],
    [
      { 'impersonate-user': 'ok', 'impersonate-group': 'system:masters' },
      'groups "system:masters" is forbidden',
    ],
    [{ 'impersonate-group': 'dev' }, 'without impersonating a user'],
  ])('%j is refused without the right to it', (headers, message) => {
    expect(() => impersonated(CALLER, headers, authorizer('users/ok'))).toThrow(message);
  });
});
