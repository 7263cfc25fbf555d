import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { ServiceKind } from '#api/kinds/service.ts';
import { AGENT_PATHS, type NodeLink } from '#api/node-link.ts';
import type { Service } from '#api/objects.ts';
import { specialAddressFaults } from '#api/validation/special-address.ts';
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { httpOver } from '#machinery/http-over.ts';
import type { Random } from '#machinery/random.ts';
import type { Transport, TransportRequest, TransportResponse } from '#machinery/transport.ts';
import { parseAddress } from '#machinery/values/cidr.ts';
import { hostPort } from '#machinery/values/host-port.ts';
import type { ObjectReader, RequestContext, ResourceHandler } from '../contract.ts';
import { hostOf, podOf } from './pod-target.ts';

/** nodes/NAME/proxy/PATH: what an agent shows of itself, and no more. */
const NODE_PATHS: readonly string[] = [
  AGENT_PATHS.stats,
  AGENT_PATHS.metrics,
  AGENT_PATHS.agentMetrics,
  AGENT_PATHS.health,
];

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
      return forward(link.open(info.name, 'interactive'), context, `${path}${query}`);
    },
  };
}

/** pods/[SCHEME:]NAME[:PORT]/proxy/PATH: HTTP to a pod, dialled by its node. */
export function podProxyHandler(link: NodeLink, clock: Clock): ResourceHandler {
  return {
    resource: 'pods/proxy',
    async serve(context, _body, objects) {
      const [name, port] = targetOf(context.info.name);
      const pod = podOf({ ...context.info, name }, objects);
      const address = pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP;
      if (!address) throw new StatusError('BadRequest', `address not allowed: pod ${name} has no address`);
      const node = hostOf(pod);
      const number = port ?? String(pod.spec?.containers[0]?.ports?.[0]?.containerPort ?? 80);
      if (!/^\d{1,5}$/.test(number))
        throw new StatusError('BadRequest', `invalid port ${JSON.stringify(number)}`);
      return forwardTo({ node, address, port: number }, { link, clock }, context);
    },
  };
}

/** services/[SCHEME:]NAME[:PORT]/proxy/PATH: HTTP to one of the pods behind a Service, by the name or number of its port. */
export function serviceProxyHandler(link: NodeLink, clock: Clock, random: Random): ResourceHandler {
  return {
    resource: 'services/proxy',
    async serve(context, _body, objects) {
      const { namespace } = context.info;
      const [name, port] = targetOf(context.info.name);
      const service = objects.get(ServiceKind, name, namespace);
      if (!service)
        throw new StatusError('NotFound', `services ${JSON.stringify(name)} not found`, {
          name,
          kind: 'services',
        });
      const found = readyEndpoints(service, port, objects);
      const chosen = found[Math.floor(random.next() * found.length)];
      if (!chosen)
        throw new StatusError(
          'ServiceUnavailable',
          `no endpoints available for service ${JSON.stringify(name)}`,
        );
      return forwardTo(chosen, { link, clock }, context);
    },
  };
}

/** Where the port of a Service is answered now. ServiceUnavailable when it has no such port. */
function readyEndpoints(service: Service, asked: string | undefined, objects: ObjectReader): PodAddress[] {
  const { name, namespace } = service.metadata;
  const ports = service.spec?.ports ?? [];
  const port = asked
    ? ports.find((each) => each.name === asked || String(each.port) === asked)
    : ports.length === 1
      ? ports[0]
      : ports.find((each) => !each.name);
  if (!port)
    throw new StatusError(
      'ServiceUnavailable',
      `no service port ${JSON.stringify(asked ?? '')} found for service ${JSON.stringify(name)}`,
    );
  const slices = objects
    .list(EndpointSliceKind, namespace)
    .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name);
  return slices.flatMap((slice) => {
    const number = slice.ports?.find((each) => (each.name ?? '') === (port.name ?? ''))?.port;
    if (number === undefined) return [];
    return (slice.endpoints ?? [])
      .filter(
        ({ conditions, nodeName, addresses }) => conditions?.ready !== false && nodeName && addresses[0],
      )
      .map(({ nodeName, addresses }) => ({ node: nodeName!, address: addresses[0]!, port: String(number) }));
  });
}

/** A port of a pod, and the node that reaches it. */
interface PodAddress {
  node: string;
  address: string;
  port: string;
}

/**
 * BadRequest for addresses that are no pod's: statuses and endpoints are written by others, and what they say must not lead
 * to the node itself or its neighbours.
 */
function forwardTo(
  { node, address, port }: PodAddress,
  { link, clock }: { link: NodeLink; clock: Clock },
  context: RequestContext,
): Promise<TransportResponse> {
  if (!parseAddress(address) || specialAddressFaults(address).length > 0)
    throw new StatusError('BadRequest', 'address not allowed');
  const target = hostPort(address, port);
  const { path, query } = pathBehind(context);
  const transport = httpOver(() => link.dial(node, target, 'bulk'), clock);
  return forward(transport, context, `${path}${query}`, { host: target });
}

function targetOf(name: string): [string, string | undefined] {
  const parts = name.split(':');
  const [first = '', second, third] = parts;
  if (parts.length === 1) return [first, undefined];
  if (parts.length === 2) return [first, second || undefined];
  if (first === 'https') {
    throw new StatusError('BadRequest', 'proxying by https is not supported: use port-forward');
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
