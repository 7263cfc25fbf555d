/**
 * Acting as somebody else (`kubectl --as`). Each part of the wanted identity needs the verb `impersonate` on users,
 * groups, serviceaccounts, uids or userextras. Source: Kubernetes, "User impersonation".
 */
import { StatusError } from '#machinery/errors.ts';
import { setMember } from '#machinery/schema/model.ts';
import type { Identity } from '#machinery/transport.ts';
import { forbidden } from '../authorization/attributes.ts';
import type { AuthorizationAttributes, Authorizer } from '../contract.ts';
import { ANONYMOUS } from './index.ts';
import { AUTHENTICATED_GROUP } from './tokens.ts';

const EXTRA = 'impersonate-extra-';
const PREFIX = 'impersonate-';
const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;

/** The identity to go on with: the caller's own when no header asks for another. */
export function impersonated(
  caller: Identity,
  headers: Readonly<Record<string, string>>,
  authorizer: Authorizer,
): Identity {
  if (!asksForAnother(headers)) return caller;
  const name = headers['impersonate-user'];
  const groups = listOf(headers['impersonate-group']);
  const uid = headers['impersonate-uid'];
  const extra = extrasOf(headers);
  if (name === undefined) {
    if (groups.length === 0 && uid === undefined && Object.keys(extra).length === 0) return caller;
    throw new StatusError('BadRequest', 'requested groups, uid or extra without impersonating a user');
  }
  const may = (wanted: Partial<AuthorizationAttributes>) => check(caller, wanted, authorizer);
  const account = SERVICE_ACCOUNT.exec(name);
  if (account) may({ resource: 'serviceaccounts', namespace: account[1]!, name: account[2]! });
  else may({ resource: 'users', name });
  for (const group of groups) may({ resource: 'groups', name: group });
  if (uid !== undefined) may({ group: 'authentication.k8s.io', resource: 'uids', name: uid });
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values) {
      may({ group: 'authentication.k8s.io', resource: 'userextras', subresource: key, name: value });
    }
  }
  const all = new Set(groups);
  if (account && groups.length === 0) {
    all.add('system:serviceaccounts').add(`system:serviceaccounts:${account[1]}`);
  }
  if (name !== ANONYMOUS.name) all.add(AUTHENTICATED_GROUP);
  return { name, groups: [...all], ...(uid !== undefined && { uid }), extra };
}

/** On every request's path, so nothing is made here. */
function asksForAnother(headers: Readonly<Record<string, string>>): boolean {
  for (const header in headers) if (header.startsWith(PREFIX)) return true;
  return false;
}

function check(caller: Identity, wanted: Partial<AuthorizationAttributes>, authorizer: Authorizer): void {
  const attributes: AuthorizationAttributes = {
    identity: caller,
    verb: 'impersonate',
    isResource: true,
    group: '',
    version: 'v1',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    path: '',
    ...wanted,
  };
  const decision = authorizer.authorize(attributes);
  if (!decision.allowed) throw forbidden(attributes, decision);
}

/** Repeated headers arrive as one, joined by commas. */
function listOf(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function extrasOf(headers: Readonly<Record<string, string>>): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  for (const [header, value] of Object.entries(headers)) {
    if (header.startsWith(EXTRA)) setMember(extra, unescaped(header.slice(EXTRA.length)), listOf(value));
  }
  return extra;
}

/** A key that is not escaped as it should be counts as it stands, as in Kubernetes. */
function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch (error) {
    if (error instanceof URIError) return key;
    throw error;
  }
}
