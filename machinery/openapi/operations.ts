/** The operations of each served resource, in neither dialect yet: path, HTTP method, action, body, answer, parameters. */
import type { GroupVersionKind } from '../schema/model.ts';
import { groupVersionPath, type OpenApiResource, type OpenApiSubresource } from './resource.ts';

export type Method = 'get' | 'put' | 'post' | 'patch' | 'delete';

/** What a body or an answer holds. */
export type Content =
  | { form: 'object'; schema: string }
  | { form: 'list'; schema: string }
  | { form: 'status' }
  | { form: 'text' };

export interface Operation {
  path: string;
  method: Method;
  /** x-kubernetes-action. */
  action: 'get' | 'list' | 'post' | 'put' | 'patch' | 'delete' | 'deletecollection' | 'connect';
  id: string;
  gvk: GroupVersionKind;
  /** undefined: takes no body. */
  body?: Content | { form: 'patch' } | { form: 'deleteOptions' };
  answer: Content;
  query: readonly Parameter[];
  /** Names of the path's parameters. */
  pathParameters: readonly string[];
}

export interface Parameter {
  name: string;
  type: 'string' | 'boolean' | 'integer';
  description: string;
}

const text = (name: string, description: string): Parameter => ({ name, type: 'string', description });

const PRETTY = text('pretty', 'If true, the output is indented for people.');
const WRITE = [
  PRETTY,
  text('dryRun', 'All: go through all steps but store nothing.'),
  text('fieldManager', 'Who makes the change, as server-side apply records it.'),
  text('fieldValidation', 'What to do with unknown and duplicate fields: Ignore, Warn or Strict.'),
];
const SELECT = [
  text('continue', 'Where to go on, from the metadata of the list before.'),
  text('fieldSelector', 'Only objects whose fields meet this selector.'),
  text('labelSelector', 'Only objects whose labels meet this selector.'),
  { name: 'limit', type: 'integer', description: 'At most so many objects; the answer tells how to go on.' },
  text('resourceVersion', 'The state to answer from.'),
  text('resourceVersionMatch', 'How resourceVersion is meant: NotOlderThan or Exact.'),
  { name: 'timeoutSeconds', type: 'integer', description: 'How long the request may take.' },
] as const satisfies Parameter[];
const LIST: readonly Parameter[] = [
  PRETTY,
  ...SELECT,
  { name: 'allowWatchBookmarks', type: 'boolean', description: 'Send bookmarks while watching.' },
  { name: 'sendInitialEvents', type: 'boolean', description: 'Begin a watch with what is there.' },
  { name: 'watch', type: 'boolean', description: 'Watch for changes instead of listing.' },
];
const DELETE: readonly Parameter[] = [
  PRETTY,
  WRITE[1]!,
  { name: 'gracePeriodSeconds', type: 'integer', description: 'How long the object may take to stop.' },
  { name: 'orphanDependents', type: 'boolean', description: 'Leave the dependents alone.' },
  text('propagationPolicy', 'What becomes of the dependents: Orphan, Background or Foreground.'),
];
const FORCE: Parameter = { name: 'force', type: 'boolean', description: 'Take over fields that others own.' };

/** What a verb of the API is over HTTP. Watch is a parameter of list. */
type Shape = Pick<Operation, 'method' | 'action' | 'query'> & { on: 'collection' | 'item' };
const VERBS: Record<string, Shape> = {
  list: { method: 'get', action: 'list', on: 'collection', query: LIST },
  create: { method: 'post', action: 'post', on: 'collection', query: WRITE },
  deletecollection: {
    method: 'delete',
    action: 'deletecollection',
    on: 'collection',
    query: [...DELETE, ...SELECT],
  },
  get: { method: 'get', action: 'get', on: 'item', query: [PRETTY] },
  update: { method: 'put', action: 'put', on: 'item', query: WRITE },
  patch: { method: 'patch', action: 'patch', on: 'item', query: [...WRITE, FORCE] },
  delete: { method: 'delete', action: 'delete', on: 'item', query: DELETE },
};

export function operationsOf(resource: OpenApiResource): Operation[] {
  const { group, version, kind } = resource;
  const gvk = { group, version, kind };
  const root = `/${groupVersionPath(resource)}`;
  const collection = `${root}${resource.namespaced ? '/namespaces/{namespace}' : ''}/${resource.plural}`;
  const found: Operation[] = [];
  for (const verb of resource.verbs) {
    const shape = VERBS[verb];
    if (!shape) continue;
    const path = shape.on === 'item' ? `${collection}/{name}` : collection;
    found.push(operation(resource, verb, shape, path, gvk, resource.schema));
    if (verb === 'list' && resource.namespaced)
      found.push(operation(resource, 'listAll', shape, `${root}/${resource.plural}`, gvk, resource.schema));
  }
  for (const subresource of resource.subresources ?? [])
    found.push(
      ...subresourceOperations(resource, subresource, `${collection}/{name}/${subresource.name}`, gvk),
    );
  return found;
}

function subresourceOperations(
  resource: OpenApiResource,
  subresource: OpenApiSubresource,
  path: string,
  own: GroupVersionKind,
): Operation[] {
  const isOwn =
    subresource.gvk === undefined && ['status', 'ephemeralcontainers', 'resize'].includes(subresource.name);
  const schema = subresource.schema ?? (isOwn ? resource.schema : undefined);
  return subresource.verbs.flatMap((verb) => {
    const shape = VERBS[verb];
    if (!shape || verb === 'list') return [];
    const at = { ...shape, action: schema === undefined ? ('connect' as const) : shape.action };
    return operation(
      resource,
      `${verb}${capital(subresource.name)}`,
      at,
      path,
      subresource.gvk ?? own,
      schema,
    );
  });
}

function operation(
  resource: OpenApiResource,
  verb: string,
  shape: Shape,
  path: string,
  gvk: GroupVersionKind,
  schema: string | undefined,
): Operation {
  const object: Content = schema === undefined ? { form: 'text' } : { form: 'object', schema };
  const answers: Partial<Record<Operation['action'], Content>> = {
    list: { form: 'list', schema: resource.schema },
    delete: { form: 'status' },
    deletecollection: { form: 'status' },
  };
  const bodies: Partial<Record<Operation['action'], Operation['body']>> = {
    post: object,
    put: object,
    patch: { form: 'patch' },
    delete: { form: 'deleteOptions' },
    deletecollection: { form: 'deleteOptions' },
  };
  const body = bodies[shape.action];
  const scope = path.includes('{namespace}') ? 'Namespaced' : '';
  return {
    path,
    method: shape.method,
    action: shape.action,
    id: `${verb}${groupName(resource)}${capital(resource.version)}${scope}${resource.kind}`,
    gvk,
    ...(body && { body }),
    answer: answers[shape.action] ?? object,
    query: shape.query,
    pathParameters: [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!),
  };
}

function groupName({ group }: OpenApiResource): string {
  return group === ''
    ? 'Core'
    : group
        .replace(/\.k8s\.io$/, '')
        .split('.')
        .map(capital)
        .join('');
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
