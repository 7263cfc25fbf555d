import { StatusError } from '#machinery/errors.ts';
import type { Identity } from '#machinery/transport.ts';
import type { AuthorizationAttributes, Decision, RequestInfo } from '../contract.ts';

/** What is asked of the authorizer about a request. */
export function attributesOf(info: RequestInfo, identity: Identity): AuthorizationAttributes {
  const fieldSelector = info.query.get('fieldSelector');
  return {
    identity,
    verb: info.verb,
    isResource: info.isResource,
    group: info.group,
    version: info.version,
    resource: info.resource,
    // What follows a proxy's name is the path behind it.
    subresource: info.subresource.split('/')[0] ?? '',
    namespace: info.namespace,
    name: info.name,
    path: info.path,
    ...(fieldSelector !== null && { fieldSelector }),
  };
}

/** The Forbidden error of a refusal, in the words of Kubernetes (apiserver endpoints/handlers/responsewriters). */
export function forbidden(attributes: AuthorizationAttributes, decision: Decision): StatusError {
  const reason = decision.reason === '' ? '' : `: ${decision.reason}`;
  const { group, resource, name } = attributes;
  if (!attributes.isResource) {
    return new StatusError('Forbidden', `forbidden: ${escaped(sentence(attributes))}${reason}`, {});
  }
  const qualified = group ? `${resource}.${group}` : resource;
  const subject = name ? `${qualified} ${JSON.stringify(name)}` : qualified;
  return new StatusError('Forbidden', `${subject} is forbidden: ${escaped(sentence(attributes))}${reason}`, {
    ...(name && { name }),
    ...(group && { group }),
    kind: resource,
  });
}

function sentence(attributes: AuthorizationAttributes): string {
  const quoted = JSON.stringify;
  const { identity, verb, group, namespace } = attributes;
  const user = `User ${quoted(identity.name)} cannot ${verb}`;
  if (!attributes.isResource) return `${user} path ${quoted(attributes.path)}`;
  const resource = attributes.subresource
    ? `${attributes.resource}/${attributes.subresource}`
    : attributes.resource;
  const where = namespace ? `in the namespace ${quoted(namespace)}` : 'at the cluster scope';
  return `${user} resource ${quoted(resource)} in API group ${quoted(group)} ${where}`;
}

/** Names come from users, and some clients show the message in a browser. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
