import { type Kind, resourceName, type Verb } from '#api/kind.ts';
import { BindingKind } from '#api/kinds/binding.ts';
import type { ApiObject } from '#api/objects.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import type { RequestContext, ResourceHandler } from '../contract.ts';
import { decodeBody, fieldValidationOf, hasBody } from '../encoding/body.ts';
import { schemaOf } from '../encoding/formats.ts';
import { methodNotAllowed } from '../engine/faults.ts';
import { unknownPath } from '../unknown-path.ts';
import { readComputed } from './computed.ts';
import { getResource, listResource } from './read.ts';
import { type ResourceParts, respondValue, type Scope } from './scope.ts';
import { createBinding, ownSubresource } from './subresources.ts';
import { ALL_VERBS, verbsOf } from './verbs.ts';
import { watchResource } from './watch.ts';
import {
  createResource,
  decodeObject,
  deleteCollection,
  deleteResource,
  patchResource,
  updateResource,
} from './write.ts';

/** The verbs of stored kinds. */
const VERBS: Record<Verb, (scope: Scope) => Promise<TransportResponse>> = {
  get: getResource,
  list: listResource,
  watch: watchResource,
  create: createResource,
  update: (scope) => updateResource(scope),
  patch: (scope) => patchResource(scope),
  delete: deleteResource,
  deletecollection: deleteCollection,
};

/** Whether a verb is about one object; lists and watches may be about one or all. */
const NEEDS_NAME: Partial<Record<Verb, boolean>> = { create: false, update: true, patch: true };

/** Serves one request about a kind: by the engine, or by the handler that its subresource or kind has. */
export async function serveResource(
  parts: ResourceParts,
  kinds: { kind: Kind; stored: Kind },
  context: RequestContext,
  handlers: ReadonlyMap<string, ResourceHandler>,
): Promise<TransportResponse> {
  const { kind, stored } = kinds;
  const { info } = context;
  // A namespace has its own name as namespace; other cluster-scoped kinds have no place in one.
  if (!kind.namespaced && info.namespace && info.resource !== 'namespaces') throw unknownPath();
  const namespace = kind.namespaced ? info.namespace || undefined : undefined;
  const scope: Scope = { parts, kind, stored, context, namespace, name: info.name };
  if (kind.deprecation) context.warnings.push(kind.deprecation);
  if (kind.inert && info.verb === 'create')
    context.warnings.push(`${resourceName(kind)} are kept, but nothing acts on them yet`);
  if (info.subresource) return serveSubresource(scope, handlers);
  const verb = ALL_VERBS.find((known) => known === info.verb);
  if (!verb || !verbsOf(kind).includes(verb)) throw methodNotAllowed();
  if (kind.computed) return readComputed(scope, handlers.get(resourceName(kind)));
  if (kind.schema === BindingKind.schema) return createBinding(scope);
  if (kind.virtual) {
    const handler = handlers.get(resourceName(kind));
    if (!handler?.serve) throw unknownPath();
    const object = decodeObject(scope);
    if (namespace) object.metadata.namespace ??= namespace;
    // What is answered at once needs no name.
    if (!object.metadata.name) delete (object.metadata as { name?: string }).name;
    return answer(scope, await handler.serve(context, object, parts.engine));
  }
  const named = info.name !== '' && NEEDS_NAME[verb] === false;
  if (named || (info.name === '' && NEEDS_NAME[verb])) throw methodNotAllowed();
  if (kind.namespaced && !namespace && verb !== 'list' && verb !== 'watch' && verb !== 'create')
    throw unknownPath();
  return VERBS[verb](scope);
}

async function serveSubresource(
  scope: Scope,
  handlers: ReadonlyMap<string, ResourceHandler>,
): Promise<TransportResponse> {
  const { kind, context, parts } = scope;
  const { subresource } = context.info;
  const [name = ''] = subresource.split('/');
  const handler = handlers.get(`${resourceName(kind)}/${name}`);
  if (handler?.serve) {
    const body = hasBody(context.request) && name !== 'proxy' ? subresourceBody(scope, name) : undefined;
    return answer(scope, await handler.serve(context, body, parts.engine));
  }
  const own = ownSubresource(scope, subresource);
  if (!own) throw unknownPath();
  return own(scope);
}

/** The body of a subresource by the type that the kind declares for it. */
function subresourceBody(scope: Scope, name: string): ApiObject {
  const { kind, context, parts } = scope;
  context.trace?.enter('decode');
  const declared = kind.subresources?.others?.find((other) => other.name === name);
  const group = declared?.group ?? kind.group;
  const version = declared?.version ?? kind.version;
  const schema = schemaOf(group ? `${group}/${version}` : version, declared?.kind ?? kind.kind);
  const decoded = decodeBody(context.request, schema, fieldValidationOf(context.info.query), parts.formats);
  context.warnings.push(...decoded.warnings);
  return decoded.object;
}

/** What a handler gave: a whole response, or an object to send. */
function answer(scope: Scope, result: TransportResponse | ApiObject): TransportResponse {
  if ('apiVersion' in result)
    return respondValue(scope, result, scope.context.info.verb === 'create' ? 201 : 200);
  return result;
}
