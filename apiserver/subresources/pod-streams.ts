import { AGENT_PATHS, type NodeLink } from '#api/node-link.ts';
import type { Pod } from '#api/objects.ts';
import { StatusError } from '#machinery/errors.ts';
import type { StreamClass } from '#machinery/tunnel/tunnel.ts';
import type { RequestInfo, ResourceHandler } from '../contract.ts';
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

/** Headers of an agent's answer that go to the client: no cookies, no policies, nothing else that an agent could think of. */
const ANSWER_HEADERS = [
  'connection',
  'upgrade',
  'sec-websocket-accept',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
  'x-stream-protocol-version',
  'x-accepted-stream-protocol-versions',
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
      const answer = await link.open(node, classOf(info)).upgrade({
        method: request.method,
        path: `${path}${query}`,
        headers: only(HANDSHAKE_HEADERS, request.headers),
        signal,
      });
      return { ...answer, headers: only(ANSWER_HEADERS, answer.headers) };
    },
  };
}

function isOn(query: URLSearchParams, name: string): boolean {
  return query.get(name) === 'true' || query.get(name) === '1';
}

function refuseNoStreams({ query }: RequestInfo): void {
  if (['stdin', 'stdout', 'stderr'].some((name) => isOn(query, name))) return;
  throw new StatusError('BadRequest', 'you must specify at least 1 of stdin, stdout, stderr');
}

/** Who types at a terminal waits for each byte; all else (copies, dumps, forwarded ports) can be as much as there is. */
function classOf({ query }: RequestInfo): StreamClass {
  return isOn(query, 'tty') ? 'interactive' : 'bulk';
}

function only(names: readonly string[], headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    names.filter((name) => headers[name] !== undefined).map((name) => [name, headers[name]!]),
  );
}
