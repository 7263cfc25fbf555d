import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import https from 'node:https';
import { type AddressInfo, connect, createServer as createTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import { TUNNEL_PROTOCOLS, tunnelPath } from '#api/node-link.ts';
import type { Pod } from '#api/objects.ts';
import { systemClock } from '#machinery/clock.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { acceptExec } from '#machinery/streams/exec.ts';
import { acceptPortForward } from '#machinery/streams/port-forward.ts';
import { dialTcp } from '#machinery/tunnel/dial.ts';
import { answerTunnel, STREAM_CLASSES, type StreamClass } from '#machinery/tunnel/tunnel.ts';
import { HOST, kubectlBinary, type Served, serve } from '../testing/served.ts';

/** What the pods say their address is; the node's agent connects to HOST for it. */
const POD_IP = '10.9.8.7';

/** kubectl → HTTPS, client certificate, RBAC → the tunnel of a node → an agent, all real but the agent. */
let api: Served;
let nodeCertificate: KeyAndCertificate;
let nobody = '';
const seen: string[] = [];
/** What the agent notices of clients that leave. */
const left = new EventEmitter();
const end = new AbortController();
const echo = createTcp((socket) => socket.pipe(socket).on('error', () => {}));

function agentServer(): Server {
  const agent = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${Object.keys(request.headers).sort().join(',')}`);
    if (request.url?.includes('/starting')) {
      response.statusCode = 400;
      response.end('container "c" in pod "starting" is waiting to start: ContainerCreating');
    } else if (request.url?.includes('/moved'))
      response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    else if (request.url?.startsWith('/stats')) response.end('{"node":"n1"}');
    else if (request.url?.includes('follow=true')) {
      response.once('close', () => left.emit('log'));
      response.write('waiting\n');
    } else response.end('line one\nline two\n');
  });
  agent.on('upgrade', (request, socket, head) => {
    seen.push(`${request.url} ${request.headers.authorization ?? 'no credentials'}`);
    const upgrade = { request, socket, head };
    const url = new URL(request.url!, 'http://a');
    const served = url.pathname.startsWith('/exec/') ? run(upgrade, url.searchParams) : forward(upgrade);
    served.catch(() => {});
  });
  return agent;
}

async function run(upgrade: Parameters<typeof acceptExec>[0], query: URLSearchParams): Promise<void> {
  const wants = { stdin: query.get('stdin') === 'true', stdout: true, stderr: true, tty: false };
  const streams = await acceptExec(upgrade, wants);
  if (query.get('command') === 'wait') {
    streams.stdout!.write('waiting\n');
    await streams.closed;
    left.emit('exec');
    return;
  }
  if (streams.stdin) for await (const chunk of streams.stdin) streams.stdout!.write(chunk);
  else streams.stdout!.write(`ran ${query.getAll('command').join(' ')} in ${query.get('container')}\n`);
  await streams.finish({ exitCode: query.getAll('command').includes('fail') ? 7 : 0 });
}

async function forward(upgrade: Parameters<typeof acceptPortForward>[0]): Promise<void> {
  await acceptPortForward(upgrade, ({ data }) => {
    const target = connect((echo.address() as AddressInfo).port, HOST);
    data.pipe(target).pipe(data);
  });
}

/** What the node's agent does at its start. */
async function dialTunnel(node: string, use: StreamClass = 'interactive'): Promise<number> {
  const request = https.request({
    host: HOST,
    port: api.port,
    path: tunnelPath(node),
    headers: { connection: 'Upgrade', upgrade: TUNNEL_PROTOCOLS[use] },
    ca: api.authority.certificate,
    cert: nodeCertificate.certificate,
    key: nodeCertificate.key,
  });
  request.end();
  const answered = new Promise<number>((resolve, reject) => {
    request.once('response', (response) => resolve(response.resume().statusCode ?? 0));
    request.once('error', reject);
    request.once('upgrade', (_response, socket: Duplex, head: Buffer) => {
      if (head.length > 0) socket.unshift(head);
      const agent = agentServer();
      const targets = {
        agent: (stream: Duplex) => agent.emit('connection', stream),
        dial: (address: string) => dialTcp(address.replace(POD_IP, HOST), systemClock),
      };
      void answerTunnel(socket, { use, targets, clock: systemClock, signal: end.signal });
      resolve(101);
    });
  });
  return answered;
}

beforeAll(async () => {
  api = await serve();
  nodeCertificate = await api.client('system:node:n1', ['system:nodes']);
  nobody = await api.kubeconfig('nobody', await api.client('nobody', []));
  await seed();
  echo.listen(0, HOST);
  await once(echo, 'listening');
});

afterAll(async () => {
  end.abort();
  await api?.stop();
  echo.close();
});

const masters = () => api.server.transport({ name: 'admin', groups: ['system:masters'] });

async function seed(): Promise<void> {
  const { engine } = api.server;
  await engine.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }, 'test');
  const account = { name: 'default', namespace: 'default' };
  await engine.create(
    ServiceAccountKind,
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account },
    'test',
  );
  for (const name of ['p', 'starting', 'moved', 'pending', 'two']) {
    const containers = [{ name: 'c', image: 'i' }, ...(name === 'two' ? [{ name: 'd', image: 'i' }] : [])];
    const pod: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default' },
      spec: { containers, ...(name !== 'pending' && { nodeName: 'n1' }) },
    };
    await engine.create(PodKind, pod, 'test');
    // kubectl forwards ports of running pods only.
    const ip = name === 'moved' ? HOST : POD_IP;
    await masters().request({
      method: 'PATCH',
      path: `/api/v1/namespaces/default/pods/${name}/status`,
      headers: { 'content-type': 'application/merge-patch+json' },
      body: Buffer.from(
        JSON.stringify({
          status: { phase: name === 'pending' ? 'Pending' : 'Running', podIPs: [{ ip }], podIP: ip },
        }),
      ),
    });
  }
}

const here = test.skipIf(!kubectlBinary('1.33'));

describe('a node', () => {
  test('that has not dialled in cannot be reached, which is said', async () => {
    const asked = masters().request({
      method: 'GET',
      path: '/api/v1/namespaces/default/pods/p/log',
      headers: {},
    });
    expect(await asked).toMatchObject({ status: 503 });
  });

  test('opens its own tunnels and no other', async () => {
    expect(await dialTunnel('n2')).toBe(403);
    expect(await dialTunnel('n2', 'bulk')).toBe(403);
    for (const use of STREAM_CLASSES) expect(await dialTunnel('n1', use)).toBe(101);
  });
});

describe('logs', () => {
  here('come from the agent, with the parameters and without the credentials of the client', async () => {
    expect(await api.kubectl(['logs', 'p', '--tail=2'])).toMatchObject({
      code: 0,
      out: 'line one\nline two\n',
    });
    const request = seen.find((each) => each.includes('/containerLogs/default/p?'));
    expect(request).toContain('tailLines=2');
    expect(request).toContain('container=c');
    expect(request).not.toContain('authorization');
  });

  here('of what cannot be read say why in the words of Kubernetes', async () => {
    expect((await api.kubectl(['logs', 'starting'])).err).toBe(
      'Error from server (BadRequest): container "c" in pod "starting" is waiting to start: ContainerCreating\n',
    );
    expect((await api.kubectl(['logs', 'p', '-c', 'x'])).err).toContain('container x is not valid for pod p');
    expect((await api.kubectl(['logs', 'none'])).err).toContain('pods "none" not found');
    expect((await api.kubectl(['logs', 'p'], { kubeconfig: nobody })).err).toContain(
      'User "nobody" cannot get resource "pods" in API group "" in the namespace "default"',
    );
    const two = masters();
    const answer = await two.request({
      method: 'GET',
      path: '/api/v1/namespaces/default/pods/two/log',
      headers: {},
    });
    expect(JSON.parse(Buffer.from(answer.body as Uint8Array).toString()).message).toBe(
      'a container name must be specified for pod two, choose one of: [c d]',
    );
  });

  test('a redirect of an agent is not followed', async () => {
    const admin = masters();
    const path = '/api/v1/namespaces/default/pods/moved/log';
    expect((await admin.request({ method: 'GET', path, headers: {} })).status).toBeGreaterThanOrEqual(500);
  });
});

describe.each(['1.27', '1.30', '1.33'])('kubectl %s', (version) => {
  here('runs commands, with input and with an exit code', async () => {
    expect(await api.kubectl(['exec', 'p', '--', 'ls', '-l'], { version })).toMatchObject({
      code: 0,
      out: 'ran ls -l in c\n',
    });
    expect((await api.kubectl(['exec', 'p', '--', 'fail'], { version })).code).toBe(7);
    const input = 'x'.repeat(200_000);
    const done = await api.kubectl(['exec', '-i', 'p', '--', 'cat'], { version, input });
    expect(done.out === input).toBe(true);
    expect(
      seen.filter((each) => each.startsWith('/exec/')).every((each) => each.endsWith('no credentials')),
    ).toBe(true);
  });

  here('is told why a command cannot run', async () => {
    expect((await api.kubectl(['exec', 'pending', '--', 'ls'], { version })).err).toContain(
      'pod pending does not have a host assigned',
    );
    expect((await api.kubectl(['exec', 'p', '--', 'ls'], { version, kubeconfig: nobody })).err).toContain(
      '(Forbidden)',
    );
  });

  here('forwards a port', async () => {
    const flags = [`--kubeconfig=${api.home}/admin.kubeconfig`, `--cache-dir=${api.home}/cache`];
    const parameters = [...flags, 'port-forward', 'pod/p', ':7'];
    const child = spawn(kubectlBinary(version)!, parameters, { env: { HOME: api.home } });
    try {
      const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
      const local = Number(/127\.0\.0\.1:(\d+)/.exec(chunk.toString())?.[1]);
      const socket = connect(local, HOST, () => socket.end('through the tunnel'));
      let heard = '';
      for await (const piece of socket) heard += piece;
      expect(heard).toBe('through the tunnel');
    } finally {
      child.kill();
    }
  });
});

describe('proxies', () => {
  const admin = (path: string) => masters().request({ method: 'GET', path, headers: {} });

  test('a node shows its stats and nothing else', async () => {
    expect((await admin('/api/v1/nodes/n1/proxy/stats/summary')).status).toBe(200);
    expect((await admin('/api/v1/nodes/n1/proxy/exec/default/p')).status).toBe(404);
    expect((await admin('/api/v1/nodes/n1/proxy/stats/../exec/default/p')).status).toBe(404);
    expect((await admin('/api/v1/nodes/n9/proxy/stats')).status).toBe(404);
  });

  test('a pod is dialled by its node', async () => {
    const web = createServer((request, response) =>
      response.end(`${request.url} on ${request.headers.host}`),
    );
    web.listen(0, HOST);
    await once(web, 'listening');
    const { port: webPort } = web.address() as AddressInfo;
    const answer = await admin(`/api/v1/namespaces/default/pods/p:${webPort}/proxy/a%20b?c=d`);
    const chunks: Buffer[] = [];
    for await (const chunk of answer.body as AsyncIterable<Buffer>) chunks.push(chunk);
    web.close();
    expect(Buffer.concat(chunks).toString()).toBe(`/a%20b?c=d on ${POD_IP}:${webPort}`);
  });

  test('a pod that claims an address of the node, and a port that is none, are refused', async () => {
    const refused = async (path: string) => {
      const { status, body } = await admin(`/api/v1/namespaces/default/pods/${path}/proxy/`);
      return [status, JSON.parse(Buffer.from(body as Uint8Array).toString()).message];
    };
    expect(await refused('moved:6443')).toEqual([400, 'address not allowed']);
    expect(await refused('p:80%40evil')).toEqual([400, 'invalid port "80@evil"']);
  });
});

/** Starts kubectl; resolves as soon as it has printed something, with a promise of its end. */
async function started(version: string, parameters: string[]) {
  const flags = [`--kubeconfig=${api.home}/admin.kubeconfig`, `--cache-dir=${api.home}/cache`];
  const child = spawn(kubectlBinary(version)!, [...flags, ...parameters], { env: { HOME: api.home } });
  const ended = once(child, 'exit');
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  expect(chunk.toString()).toBe('waiting\n');
  return { child, ended };
}

describe('a client that goes away', () => {
  here.each(['1.27', '1.33'])('ends its command and its log (kubectl %s)', async (version) => {
    for (const [what, parameters] of [
      ['exec', ['exec', 'p', '--', 'wait']],
      ['log', ['logs', '-f', 'p']],
    ] as const) {
      const { child } = await started(version, [...parameters]);
      const noticed = once(left, what);
      child.kill('SIGKILL');
      await noticed;
    }
  });
});

describe('a node that goes away', () => {
  here('ends the commands and logs that ran through it', async () => {
    const running = await Promise.all([
      started('1.27', ['exec', 'p', '--', 'wait']),
      started('1.33', ['exec', 'p', '--', 'wait']),
      started('1.33', ['logs', '-f', 'p']),
    ]);
    end.abort();
    await Promise.all(running.map(({ ended }) => ended));
    const answer = await masters().request({
      method: 'GET',
      path: '/api/v1/namespaces/default/pods/p/log',
      headers: {},
    });
    expect(answer.status).toBe(503);
  });
});
