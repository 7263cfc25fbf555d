import { NodeKind } from '#api/kinds/node.ts';
import { AGENT_PATHS, type NodeLink } from '#api/node-link.ts';
import { specialAddressFaults } from '#api/validation/special-address.ts';
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { httpOver } from '#machinery/http-over.ts';
import type { Transport, TransportRequest, TransportResponse } from '#machinery/transport.ts';
import { parseAddress } from '#machinery/values/cidr.ts';
import type { RequestContext, ResourceHandler } from '../contract.ts';
import { hostOf, podOf } from './pod-target.ts';

/** nodes/NAME/proxy/PATH: what an agent shows of itself, and no more. */
const NODE_PATHS: readonly string[] = [AGENT_PATHS.stats, AGENT_PATHS.health];

export function nodeProxyHandler(link: NodeLink): ResourceHandler {
  return {
    resource: 'nodes/proxy',
    async serve(context, _body, objects) {
      const { info, request } = context;
      if (!objects.get(NodeKind, info.name)) {
        throw new StatusError('NotFound', `nodes ${JSON.stringify(info.name)} not found`, {
          name: info.name,
          kind: 'nodes',
        });
      }
      const { path, query } = pathBehind(context);
      const known = NODE_PATHS.some((each) => path === each || path.startsWith(`${each}/`));
      if (request.method !== 'GET' || !known) {
        throw new StatusError('NotFound', 'the server could not find the requested resource');
      }
      return forward(link.open(info.name), context, `${path}${query}`);
    },
  };
}

/** pods/[SCHEME:]NAME[:PORT]/proxy/PATH: HTTP to a pod, dialled by its node. */
export function podProxyHandler(link: NodeLink, clock: Clock): ResourceHandler {
  return {
    resource: 'pods/proxy',
    async serve(context, _body, objects) {
      const [name = '', port] = targetOf(context.info.name);
      const pod = podOf({ ...context.info, name }, objects);
      const address = pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP;
      if (!address) throw new StatusError('BadRequest', `address not allowed: pod ${name} has no address`);
      // A status is written by others: what it says must not lead to the node itself or its neighbours.
      if (!parseAddress(address) || specialAddressFaults(address).length > 0)
        throw new StatusError('BadRequest', 'address not allowed');
      const node = hostOf(pod);
      const number = port ?? String(pod.spec?.containers[0]?.ports?.[0]?.containerPort ?? 80);
      if (!/^\d{1,5}$/.test(number))
        throw new StatusError('BadRequest', `invalid port ${JSON.stringify(number)}`);
      const host = address.includes(':') ? `[${address}]` : address;
      const { path, query } = pathBehind(context);
      const target = `${host}:${number}`;
      const transport = httpOver(() => link.dial(node, target), clock);
      return forward(transport, context, `${path}${query}`, { host: target });
    },
  };
}

function targetOf(name: string): [string, string | undefined] {
  const parts = name.split(':');
  const [first = '', second, third] = parts;
  if (parts.length === 1) return [first, undefined];
  if (parts.length === 2) return [first, second || undefined];
  if (first === 'https') {
    throw new StatusError('BadRequest', 'proxying by https to pods is not supported: use port-forward');
  }
  return [second ?? '', third || undefined];
}

/** Path and query behind `/proxy`, with dots resolved here, so that what is checked is what is asked for. */
function pathBehind({ request, info }: RequestContext): { path: string; query: string } {
  const [whole = ''] = request.path.split('?');
  const mark = whole.indexOf('/proxy', whole.indexOf(`/${info.resource}/`));
  const path = whole.slice(mark + '/proxy'.length) || '/';
  return {
    path: new URL(`http://proxied${path.startsWith('/') ? path : `/${path}`}`).pathname,
    query: request.path.slice(whole.length),
  };
}

/** Hop-by-hop headers (RFC 9110, 7.6.1), and what says who the client is. */
const KEPT_BACK = new Set([
  'authorization',
  'connection',
  'cookie',
  'host',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

async function forward(
  target: Transport,
  context: RequestContext,
  path: string,
  more: Record<string, string> = {},
): Promise<TransportResponse> {
  const { method, headers, body } = context.request;
  const request: TransportRequest = {
    method,
    path,
    headers: { ...passed(headers), ...more },
    signal: context.signal,
    ...(body && { body }),
  };
  const answer = await target.request(request);
  return { ...answer, headers: passed(answer.headers) };
}

function passed(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith(':') && !KEPT_BACK.has(name)),
  );
}
