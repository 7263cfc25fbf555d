import { createServer } from 'node:http';
import { duplexPair } from 'node:stream';
import { connect } from 'node:tls';
import { expect, test } from 'vitest';
import { AGENT_PATHS, type NodeLink } from '#api/node-link.ts';
import { systemClock } from '#machinery/clock.ts';
import type { Transport, TransportRequest, Upgraded } from '#machinery/transport.ts';
import { FakeNodeLink } from '../fake/node-link.ts';
import { callsTo } from '../fake/server.ts';
import { readHead } from '../http/read-head.ts';
import { HOST, type Served, serve } from '../testing/served.ts';

/**
 * Attacks that must fail, by somebody who may use the pod `p` of the node `n1` and nothing else: over HTTPS, with RBAC, to
 * agents that obey whoever comes by their tunnel. Each is tried once more with a link to the nodes that lacks the one defence,
 * where it must succeed.
 */

const SECRET = 'the secret of another';
const PODS = '/api/v1/namespaces/default/pods';
const OTHER = AGENT_PATHS.logs('default', 'other');
const TIMEOUT_MS = 60_000;

const HANDSHAKES: Record<string, Record<string, string>> = {
  WebSocket: {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    'sec-websocket-version': '13',
    'sec-websocket-protocol': 'v5.channel.k8s.io',
  },
  SPDY: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' },
};
const EXEC = `${PODS}/p/exec?command=ls&stdout=1`;

/** What the attacker heard, and what came to the nodes: `<node> <path>` each. */
interface Outcome {
  heard: string;
  seen: string[];
}

interface Attempt {
  path: string;
  headers?: Record<string, string>;
  /** Sent on the same connection once its answer has begun. */
  then?: string;
  /** What the agent of `n1` says to all that it is asked of `p`. */
  status: number;
}

/** Tries it against a server of its own; `change` is done to its link to the nodes. */
async function outcome(attempt: Attempt, change: (link: NodeLink) => NodeLink): Promise<Outcome> {
  const seen: string[] = [];
  const link = new FakeNodeLink(systemClock);
  for (const node of ['n1', 'n2']) {
    const agent = agentOf(node, attempt.status, seen);
    link.connect(node, agent, async () => {
      const [ours, theirs] = duplexPair();
      agent.emit('connection', theirs);
      return ours;
    });
  }
  const api = await serve({ nodeLink: change(link) });
  try {
    await seed(api);
    return { heard: await send(api, attempt), seen };
  } finally {
    await api.stop();
  }
}

/** The agent of `n1` refuses or redirects, and keeps the connection; all of `n2`, and what is of another pod, is a secret. */
function agentOf(node: string, status: number, seen: string[]) {
  const location = `https://n2:10250${OTHER}`;
  const agent = createServer(({ url }, response) => {
    seen.push(`${node} ${url?.split('?')[0]}`);
    if (node === 'n2' || url?.startsWith(OTHER)) response.end(SECRET);
    else response.writeHead(status, { location, upgrade: 'websocket' }).end('no');
  });
  // With nobody listening for upgrades, Node takes them for requests like others: what refuses an upgrade does so too.
  if (node === 'n1') return agent;
  return agent.on('upgrade', ({ url }, socket) => {
    seen.push(`${node} ${url?.split('?')[0]}`);
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n${SECRET}`);
  });
}

/** Until the server ends the connection, or the secret is out. */
async function send(api: Served, { path, headers = {}, then = '' }: Attempt): Promise<string> {
  const { certificate, key } = await api.client('author', []);
  const ca = api.authority.certificate;
  const socket = connect({ host: HOST, port: api.port, ca, cert: certificate, key });
  const closing = headers['connection'] ? {} : { connection: 'close' };
  const fields = Object.entries({ host: HOST, ...headers, ...closing });
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  let heard = '';
  for await (const chunk of socket) {
    if (heard === '') socket.write(then);
    heard += chunk;
    if (heard.includes(SECRET)) break;
  }
  return heard;
}

async function seed({ server }: Served): Promise<void> {
  const call = callsTo(server);
  const make = async (path: string, apiVersion: string, kind: string, name: string, more: object = {}) => {
    const { status, body } = await call('POST', path, { apiVersion, kind, metadata: { name }, ...more });
    if (status !== 201) throw new Error(JSON.stringify(body));
  };
  for (const name of ['n1', 'n2']) await make('/api/v1/nodes', 'v1', 'Node', name);
  await make('/api/v1/namespaces/default/serviceaccounts', 'v1', 'ServiceAccount', 'default');
  const spec = { containers: [{ name: 'c', image: 'i' }], nodeName: 'n1' };
  for (const name of ['p', 'other']) await make(PODS, 'v1', 'Pod', name, { spec });
  const apiGroup = 'rbac.authorization.k8s.io';
  const resources = ['exec', 'attach', 'portforward', 'log'].map((name) => `pods/${name}`);
  const rules = [
    { apiGroups: [''], resources, resourceNames: ['p'], verbs: ['get', 'create'] },
    { apiGroups: [''], resources: ['nodes/proxy'], resourceNames: ['n1'], verbs: ['get'] },
  ];
  const [version, path] = [`${apiGroup}/v1`, `/apis/${apiGroup}/v1`];
  await make(`${path}/clusterroles`, version, 'ClusterRole', 'author', { rules });
  await make(`${path}/clusterrolebindings`, version, 'ClusterRoleBinding', 'author', {
    subjects: [{ apiGroup, kind: 'User', name: 'author' }],
    roleRef: { apiGroup, kind: 'ClusterRole', name: 'author' },
  });
}

const asItIs = (link: NodeLink) => link;

function withTransports(link: NodeLink, open: NodeLink['open']): NodeLink {
  return {
    open,
    dial: (node, address, use) => link.dial(node, address, use),
  };
}

/** Takes a connection for upgraded whatever the answer is. */
function unchecked(link: NodeLink): NodeLink {
  return withTransports(link, (node) => ({
    request: (request) => link.open(node, 'bulk').request(request),
    upgrade: (request) => upgradeUnchecked(link, node, request),
  }));
}

async function upgradeUnchecked(link: NodeLink, node: string, request: TransportRequest): Promise<Upgraded> {
  const stream = await link.dial(node, 'its agent', 'bulk');
  const lines = Object.entries({ host: 'agent', ...request.headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  stream.write(`${request.method} ${request.path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  return { ...(await readHead(stream)), stream };
}

/** Goes where an agent's answer says. */
function following(link: NodeLink): NodeLink {
  const next = (request: TransportRequest, location: string): [Transport, TransportRequest] => {
    const { hostname, pathname } = new URL(location);
    return [link.open(hostname, 'bulk'), { ...request, path: pathname }];
  };
  return withTransports(link, (node) => ({
    async request(request) {
      const { headers } = await link.open(node, 'bulk').request(request);
      const [other, again] = next(request, headers['location']!);
      return await other.request(again);
    },
    async upgrade(request) {
      const { headers } = await upgradeUnchecked(link, node, request);
      const [other, again] = next(request, headers['location']!);
      return await other.upgrade(again);
    },
  }));
}

const FORBIDDEN = /^HTTP\/1.1 403 .*cannot get resource/s;

test(
  'what is attacked is refused to those who ask for it by its name',
  async () => {
    const headers = HANDSHAKES['WebSocket']!;
    for (const attempt of [
      { path: `${PODS}/other/log`, status: 400 },
      { path: EXEC.replace('/p/', '/other/'), headers, status: 400 },
      { path: '/api/v1/nodes/n2/proxy/stats', status: 400 },
    ]) {
      const { heard, seen } = await outcome(attempt, asItIs);
      expect(heard).toMatch(FORBIDDEN);
      expect(seen).toEqual([]);
    }
  },
  TIMEOUT_MS,
);

for (const status of [200, 403, 500]) {
  for (const [protocol, headers] of Object.entries(HANDSHAKES)) {
    test(
      `CVE-2018-1002105: an upgrade by ${protocol} that an agent answers with ${status}, and a request behind it`,
      async () => {
        for (const [room, path] of [
          ['exec', EXEC],
          ['attach', `${PODS}/p/attach?stdout=1`],
          ['portForward', `${PODS}/p/portforward?ports=80`],
        ]) {
          const then = `GET ${OTHER} HTTP/1.1\r\nhost: agent\r\n\r\n`;
          const attempt: Attempt = { path: path!, headers, then, status };
          const asked = `n1 /${room}/default/p`;
          const { heard, seen } = await outcome(attempt, asItIs);
          expect(heard).toMatch(/^HTTP\/1.1 [45]\d\d .*"kind":"Status"/s);
          expect(seen, 'as the server is').toEqual([asked]);
          const off = await outcome(attempt, unchecked);
          expect(off.seen, 'without its defence').toEqual([asked, `n1 ${OTHER}`]);
          expect(off.heard).toContain(SECRET);
        }
      },
      TIMEOUT_MS,
    );
  }
}

for (const status of [301, 302, 303, 307, 308]) {
  test(
    `CVE-2020-8559: an agent answers with ${status} to send the server to another node`,
    async () => {
      const headers = HANDSHAKES['WebSocket']!;
      for (const [asked, path, more] of [
        ['exec/default/p', EXEC, { headers }],
        ['containerLogs/default/p', `${PODS}/p/log`, {}],
        ['stats/summary', '/api/v1/nodes/n1/proxy/stats/summary', {}],
      ] as const) {
        const attempt: Attempt = { path, ...more, status };
        const { heard, seen } = await outcome(attempt, asItIs);
        // What a client asks of a node by its proxy is passed on, for it to decide; all else is an error.
        expect(heard).toMatch(asked.startsWith('stats') ? /^HTTP\/1.1 30\d/ : /^HTTP\/1.1 502 /);
        expect(seen, 'as the server is').toEqual([`n1 /${asked}`]);
        const off = await outcome(attempt, following);
        expect(off.seen, 'without its defence').toEqual([`n1 /${asked}`, `n2 ${OTHER}`]);
        expect(off.heard).toContain(SECRET);
      }
    },
    TIMEOUT_MS,
  );
}

test(
  'a refused upgrade leaves no connection, even to who goes on sending and never ends',
  async () => {
    const link = new FakeNodeLink(systemClock);
    link.connect('n1', agentOf('n1', 403, []));
    const api = await serve({ nodeLink: link });
    try {
      await seed(api);
      const { certificate: cert, key } = await api.client('author', []);
      const ca = api.authority.certificate;
      // Typed as for plain sockets only.
      const halfOpen = { allowHalfOpen: true };
      const socket = connect({ host: HOST, port: api.port, ca, cert, key, ...halfOpen });
      const fields = Object.entries({ host: HOST, ...HANDSHAKES['WebSocket'] });
      socket.write(
        `GET ${EXEC} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
      );
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.on('error', () => {}); // how a connection ends that the other side has closed
      let heard = '';
      socket.on('data', (chunk) => {
        heard += chunk;
      });
      const going = setInterval(() => socket.write(SECRET), 10);
      await closed;
      clearInterval(going);
      expect(heard).toMatch(/^HTTP\/1.1 403 .*"kind":"Status"/s);
    } finally {
      await api.stop();
    }
  },
  TIMEOUT_MS,
);
