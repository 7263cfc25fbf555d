/** A node that only one of two servers can be reached from: through the other one it works all the same, for old and new kubectl. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import { SERVERS_GROUP } from '#api/node-link.ts';
import { startTestServer } from '#apiserver/fake/server.ts';
import type { ApiServer } from '#apiserver/server.ts';
import { HOST, kubectlBinary } from '#apiserver/testing/served.ts';
import { http2Transport } from '#client/http2-transport.ts';
import { systemClock } from '#machinery/clock.ts';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { silentLogger } from '#machinery/log.ts';
import { pkiDirectory } from '#machinery/pki/directory.ts';
import { kubeconfigYaml } from '#machinery/pki/kubeconfig.ts';
import { systemRandom } from '#machinery/random.ts';
import { acceptExec } from '#machinery/streams/exec.ts';
import { acceptPortForward } from '#machinery/streams/port-forward.ts';
import { STREAM_CLASSES } from '#machinery/tunnel/tunnel.ts';
import { keepAgentTunnel } from '#node-agent/tunnel.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { eventually, type Ran, run } from '../harness/run.ts';

const pki = pkiDirectory('/pki', { files: new MemoryFiles(), clock: systemClock, random: systemRandom });
const end = new AbortController();
const echo = createTcp((socket) => socket.pipe(socket).on('error', () => {}));
let home: string;
let servers: ApiServer[];

const client = (commonName: string, ...organizations: string[]) =>
  pki.certificate(commonName.replaceAll(':', '-'), 'client-ca', {
    subject: { commonName, organizations },
    usages: ['client'],
    lifetimeMs: 3_600_000,
  });
const urlOf = (server: ApiServer) => `https://${HOST}:${server.addresses[0]!.port}`;
/** To that one, as whom the certificate names. */
const door = async (server: ApiServer, ...subject: [string, ...string[]]) => {
  const { certificate: cert, key } = await client(...subject);
  const { certificate: ca } = await pki.authority('server-ca', 'server');
  return http2Transport({ url: urlOf(server), clock: systemClock, ca, certificate: () => ({ cert, key }) });
};

/** The servers know each other by their Leases: by numbers for ports, which are theirs only once they listen. */
async function startServers(): Promise<ApiServer[]> {
  const store = new MemoryStore({ clock: systemClock });
  const authority = await pki.authority('client-ca', 'client');
  await pki.authority('server-ca', 'server');
  const serving = await pki.certificate('server', 'server-ca', {
    subject: { commonName: 'apiserver' },
    usages: ['server'],
    subjectAlternativeNames: [HOST],
    lifetimeMs: 3_600_000,
  });
  const started: ApiServer[] = [];
  const { certificate: cert, key } = await client('system:apiserver', SERVERS_GROUP);
  const { certificate: ca } = await pki.authority('server-ca', 'server');
  for (const port of [1, 2])
    started.push(
      await startTestServer({
        store,
        tls: { certificate: serving.certificate, key: serving.key, clientAuthority: authority.certificate },
        listen: [{ host: HOST, port: 0 }],
        config: {
          ...{ cluster: 'test', serviceCidr: '10.96.0.0/16', sharedStore: true },
          nodePorts: { from: 30_000, to: 32_767 },
          advertise: { address: '192.0.2.1', port },
        },
        peer: (other) =>
          http2Transport({
            url: urlOf(started[other.port - 1]!),
            clock: systemClock,
            ca,
            certificate: () => ({ cert, key }),
          }),
      }),
    );
  return started;
}

function agent() {
  const server = createServer((_request, response) => response.end('line one\n'));
  return server.on('upgrade', (request, socket, head) => {
    const upgrade = { request, socket, head };
    const url = new URL(request.url!, 'http://a');
    const served = url.pathname.startsWith('/exec/')
      ? acceptExec(upgrade, { stdin: true, stdout: true, stderr: true, tty: false }).then(async (streams) => {
          for await (const chunk of streams.stdin!) streams.stdout!.write(chunk);
          await streams.finish({ exitCode: 7 });
        })
      : acceptPortForward(upgrade, ({ data }) => {
          const target = connect((echo.address() as AddressInfo).port, HOST);
          data.pipe(target).pipe(data);
        });
    served.catch(() => {}); // the client has left
  });
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'gantry-peers-'));
  echo.listen(0, HOST);
  await once(echo, 'listening');
  servers = await startServers();
  const [one, two] = servers as [ApiServer, ApiServer];
  await one.engine.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }, 'test');
  const metadata = { namespace: 'default', name: 'default' };
  await one.engine.create(ServiceAccountKind, { apiVersion: 'v1', kind: 'ServiceAccount', metadata }, 'test');
  const spec = { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'p' }, spec };
  await one.engine.create(PodKind, pod as never, 'test');
  const admin = await client('admin', 'system:masters');
  for (const [at, server] of servers.entries()) {
    const { certificate: certificateAuthority } = await pki.authority('server-ca', 'server');
    const url = urlOf(server);
    const yaml = kubeconfigYaml({
      name: 'x',
      server: url,
      certificateAuthority,
      user: 'x',
      credentials: admin,
    });
    await writeFile(join(home, String(at)), yaml, { mode: 0o600 });
  }
  const running = JSON.stringify({
    status: { phase: 'Running', podIP: '10.9.8.7', podIPs: [{ ip: '10.9.8.7' }] },
  });
  await kubectl('1.33', 0, ['patch', 'pod', 'p', '--subresource=status', '--type=merge', '-p', running]);
  // It can reach the second one only.
  const transport = await door(two, 'system:node:n1', 'system:nodes');
  const dialPod = () => Promise.reject(new Error('nothing to dial'));
  const kept = { transport, node: 'n1', server: agent(), dialPod, log: silentLogger, signal: end.signal };
  for (const use of STREAM_CLASSES)
    void keepAgentTunnel({ ...kept, use, clock: systemClock, random: systemRandom });
});
afterAll(async () => {
  end.abort();
  for (const server of servers) await server.stop();
  echo.close();
  await rm(home, { recursive: true });
});

const flagsOf = (server: number) => [
  `--kubeconfig=${join(home, String(server))}`,
  `--cache-dir=${home}/cache`,
];

async function kubectl(version: string, server: number, args: string[], input?: string): Promise<Ran> {
  const env = { HOME: home };
  return await run(kubectlBinary(version)!, [...flagsOf(server), ...args], {
    env,
    ...(input !== undefined && { input }),
  });
}

describe.each(['1.27', '1.33'].filter(kubectlBinary))('kubectl %s', (version) => {
  test.each([0, 1])('reads logs and runs commands by server %i', async (server) => {
    await eventually('the node is connected', async () => {
      const { code, stdout } = await kubectl(version, server, ['logs', 'p']);
      return (code === 0 && stdout === 'line one\n') || undefined;
    });
    const input = 'x'.repeat(300_000);
    const { code, stdout } = await kubectl(version, server, ['exec', '-i', 'p', '--', 'cat'], input);
    expect({ code, same: stdout === input }).toEqual({ code: 7, same: true });
  });

  test('forwards a port by the server that the node cannot reach', async () => {
    const child = spawn(kubectlBinary(version)!, [...flagsOf(0), 'port-forward', 'pod/p', ':7'], {
      env: { HOME: home },
    });
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      const socket = connect(Number(/:(\d+) ->/.exec(line.toString())![1]), HOST);
      socket.end('through two servers');
      expect((await buffer(socket)).toString()).toBe('through two servers');
    } finally {
      child.kill();
      await once(child, 'close');
    }
  });
});

test('nobody but a server is given a link: not the administrator, not the node', async () => {
  const path = '/apis/gantry.dev/v1alpha1/nodes/n1/link?class=bulk';
  const request = { method: 'GET', path, headers: { connection: 'Upgrade', upgrade: 'gantry-link/1' } };
  const others: [string, ...string[]][] = [
    ['admin', 'system:masters'],
    ['system:node:n1', 'system:nodes'],
    ['nobody'],
  ];
  for (const subject of others) {
    const transport = await door(servers[1]!, ...subject);
    await expect(transport.upgrade(request)).rejects.toMatchObject({ reason: 'Forbidden' });
  }
  const server = await door(servers[1]!, 'system:apiserver', SERVERS_GROUP);
  const { stream } = await server.upgrade(request);
  stream.write('GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
  expect((await buffer(stream)).toString()).toContain('line one');
});

test('a node that no server has is told as such, and in no time', async () => {
  const spec = { nodeName: 'n9', containers: [{ name: 'c', image: 'i' }] };
  const metadata = { namespace: 'default', name: 'lost' };
  await servers[0]!.engine.create(
    PodKind,
    { apiVersion: 'v1', kind: 'Pod', metadata, spec } as never,
    'test',
  );
  const { code, stderr } = await kubectl('1.33', 0, ['logs', 'lost']);
  expect(code).toBe(1);
  expect(stderr).toContain('node "n9" is not connected to this server: its agent is down or cannot reach it');
});
