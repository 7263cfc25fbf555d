import type { RequestInfo } from './contract.ts';

const VERBS: Record<string, string> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Parts of a namespace itself, not resources in it. */
const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize']);

/**
 * What a request is about. Paths are /api/v1/..., /apis/<group>/<version>/..., with namespaces/<ns>/ before the resource.
 * Source: Kubernetes apiserver, RequestInfo.
 */
export function requestInfo(method: string, target: string): RequestInfo {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
  const info: RequestInfo = {
    verb: lowered(method),
    isResource: false,
    path,
    group: '',
    version: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    query,
  };
  const parts = segments(path);
  if (parts === undefined) return info;
  const legacy = parts[0] === 'api';
  if (!legacy && parts[0] !== 'apis') return info;
  const rest = parts.slice(legacy ? 2 : 3);
  if (rest.length === 0 || rest[0] === '') return info;
  info.isResource = true;
  info.group = legacy ? '' : (parts[1] ?? '');
  info.version = (legacy ? parts[1] : parts[2]) ?? '';
  const watched = method === 'GET' && rest[0] === 'watch' && rest.length > 1;
  locate(info, watched ? rest.slice(1) : rest);
  info.verb = watched ? watchedByPath(info) : verbOf(method, info);
  return info;
}

/** Methods are case-sensitive (RFC 9110, section 9.1): `get` is none, and must not pass for a verb. */
function lowered(method: string): string {
  return method === method.toUpperCase() ? method.toLowerCase() : `(${method})`;
}

function segments(path: string): string[] | undefined {
  const trimmed = path.endsWith('/') ? path.slice(1, -1) : path.slice(1);
  const parts = trimmed.split('/');
  if (!trimmed.includes('%')) return parts;
  try {
    return parts.map(decodeURIComponent);
  } catch {
    // A broken percent escape names nothing: the caller answers 404.
    return undefined;
  }
}

function locate(info: RequestInfo, rest: string[]): void {
  if (rest[0] === 'namespaces' && rest.length > 2 && !NAMESPACE_SUBRESOURCES.has(rest[2]!)) {
    info.namespace = rest[1]!;
    [info.resource = '', info.name = ''] = rest.slice(2);
    info.subresource = rest.slice(4).join('/');
    return;
  }
  [info.resource = '', info.name = ''] = rest;
  info.subresource = rest.slice(2).join('/');
  // Rights on a namespace object can be given inside it.
  if (info.resource === 'namespaces') info.namespace = info.name;
}

/** The old form of a watch, deprecated and served still: `/api/v1/watch/namespaces/ns/pods/name`. */
function watchedByPath({ query, name }: RequestInfo): string {
  if (name && !query.get('fieldSelector')) query.set('fieldSelector', `metadata.name=${name}`);
  return 'watch';
}

function verbOf(method: string, info: RequestInfo): string {
  const verb = VERBS[method] ?? lowered(method);
  if (info.name !== '') return verb;
  if (verb === 'delete') return 'deletecollection';
  if (verb !== 'get') return verb;
  const watch = info.query.get('watch');
  // A list of one named object may be allowed by the object's name.
  const named = /^metadata\.name==?([^,=!]+)$/.exec(info.query.get('fieldSelector') ?? '');
  if (named) info.name = named[1]!;
  // Source: apimachinery, the conversion of query parameters: `?watch` is a watch as well.
  return watch === null || watch === '0' || watch.toLowerCase() === 'false' ? 'list' : 'watch';
}

const LONG_RUNNING = new Set(['attach', 'exec', 'log', 'portforward', 'proxy']);

/** Goes on for as long as the client wants: no deadline holds, and its time says nothing. Source: kube-apiserver. */
export function isLongRunning({ verb, isResource, path, subresource }: RequestInfo): boolean {
  if (verb === 'watch') return true;
  if (!isResource) return path.startsWith('/debug/pprof/');
  if (subresource === '') return false;
  return LONG_RUNNING.has(subresource) || subresource.startsWith('proxy/');
}
