import { AGENT_PATHS, type NodeLink } from '#api/node-link.ts';
import type { Pod } from '#api/objects.ts';
import { StatusError } from '#machinery/errors.ts';
import type { RequestContext, RequestInfo, ResourceHandler } from '../contract.ts';
import { agentQuery, containerOf, hostOf, podOf } from './pod-target.ts';

/**
 * exec, attach and port-forward: the server finds the node and passes the upgraded connection through; the agent speaks
 * the stream protocol. Source: Kubernetes registry/core/pod/rest.
 */
const STREAM_PARAMETERS = ['stdin', 'stdout', 'stderr', 'tty', 'container'];

/** Headers of the handshake itself. No other of the client's goes to a node: credentials least of all. */
const HANDSHAKE_HEADERS = [
  'connection',
  'upgrade',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
  'x-stream-protocol-version',
];

export function podStreamHandlers(link: NodeLink): ResourceHandler[] {
  return [
    streamHandler('exec', link, (pod, info) => {
      if (info.query.getAll('command').length === 0) {
        throw new StatusError('BadRequest', 'you must specify at least one command for the container');
      }
      refuseNoStreams(info);
      const container = containerOf(pod, info.query.get('container') ?? '');
      return agentQuery(info.query, ['command', ...STREAM_PARAMETERS], container);
    }),
    streamHandler('attach', link, (pod, info) => {
      refuseNoStreams(info);
      return agentQuery(info.query, STREAM_PARAMETERS, containerOf(pod, info.query.get('container') ?? ''));
    }),
    streamHandler('portforward', link, (_pod, info) => agentQuery(info.query, ['ports'])),
  ];
}

const PATHS = {
  exec: AGENT_PATHS.exec,
  attach: AGENT_PATHS.attach,
  portforward: AGENT_PATHS.portForward,
};

function streamHandler(
  name: keyof typeof PATHS,
  link: NodeLink,
  queryOf: (pod: Pod, info: RequestInfo) => string,
): ResourceHandler {
  return {
    resource: `pods/${name}`,
    async serve({ info }, _body, objects) {
      // What is wrong with the pod is worth more to know than that the connection was not upgraded.
      queryOf(podOf(info, objects), info);
      throw new StatusError('BadRequest', 'Upgrade request required');
    },
    async upgrade({ info, request, signal }, _client, objects) {
      const pod = podOf(info, objects);
      const query = queryOf(pod, info);
      const node = hostOf(pod);
      const path = PATHS[name](encodeURIComponent(info.namespace), encodeURIComponent(info.name));
      return link.open(node).upgrade({
        method: request.method,
        path: `${path}${query}`,
        headers: handshakeOf(request),
        signal,
      });
    },
  };
}

function refuseNoStreams({ query }: RequestInfo): void {
  const on = (name: string) => query.get(name) === 'true' || query.get(name) === '1';
  if (on('stdin') || on('stdout') || on('stderr')) return;
  throw new StatusError('BadRequest', 'you must specify at least 1 of stdin, stdout, stderr');
}

function handshakeOf(request: RequestContext['request']): Record<string, string> {
  return Object.fromEntries(
    HANDSHAKE_HEADERS.filter((name) => request.headers[name] !== undefined).map((name) => [
      name,
      request.headers[name]!,
    ]),
  );
}
