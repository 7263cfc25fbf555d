import { execFile, spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acceptExec } from './exec.ts';
import { acceptPortForward } from './port-forward.ts';

/** Real kubectl binaries against nothing but the stream servers: each version speaks other protocols. */
const VERSIONS = ['1.27', '1.29', '1.30', '1.31', '1.33'];
const folder = existsSync('/usr/bin/kubectl') ? dirname(realpathSync('/usr/bin/kubectl')) : '/none';

const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'default' },
  spec: { containers: [{ name: 'c', image: 'i' }] },
  status: { phase: 'Running' },
};

/** As much of discovery as kubectl needs to know what a pod is. */
const ANSWERS: Record<string, object> = {
  '/version': { major: '1', minor: '33', gitVersion: 'v1.33.0' },
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
  '/api/v1': {
    kind: 'APIResourceList',
    groupVersion: 'v1',
    resources: [{ name: 'pods', singularName: 'pod', namespaced: true, kind: 'Pod', verbs: ['get', 'list'] }],
  },
  '/api/v1/namespaces/default/pods/p': POD,
};

const protocols: string[] = [];
const server = createServer((request, response) => {
  const answer = ANSWERS[new URL(request.url!, 'http://a').pathname];
  response.statusCode = answer ? 200 : 404;
  response.setHeader('content-type', 'application/json').end(JSON.stringify(answer ?? {}));
});
const echo = createTcp((socket) => socket.pipe(socket).on('error', () => {}));
let home = '';

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'gantry-kubectl-'));
  server.on('upgrade', (request, socket, head) => {
    const url = new URL(request.url!, 'http://a');
    const protocol =
      request.headers['sec-websocket-protocol'] ?? request.headers['x-stream-protocol-version'];
    protocols.push(`${request.headers.upgrade} ${protocol}`);
    const upgrade = { request, socket, head };
    const serve = url.pathname.endsWith('/exec') ? runCommand(upgrade, url.searchParams) : forward(upgrade);
    serve.catch(() => {});
  });
  for (const each of [server, echo]) {
    await new Promise<void>((resolve) => each.listen(0, '127.0.0.1', resolve));
  }
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  echo.close();
  await rm(home, { recursive: true, force: true });
});

/** Two commands: `copy` copies its input, `fail N` says so on stderr and exits with N. */
async function runCommand(upgrade: Parameters<typeof acceptExec>[0], query: URLSearchParams): Promise<void> {
  const wants = (name: string) => query.get(name) === 'true';
  const [name, argument] = query.getAll('command');
  const streams = await acceptExec(upgrade, {
    stdin: wants('stdin'),
    stdout: wants('stdout'),
    stderr: wants('stderr'),
    tty: wants('tty'),
  });
  if (name === 'copy') for await (const chunk of streams.stdin!) streams.stdout!.write(chunk);
  else streams.stderr!.write(`failing with ${argument}\n`);
  await streams.finish({ exitCode: Number(argument ?? 0) });
}

async function forward(upgrade: Parameters<typeof acceptPortForward>[0]): Promise<void> {
  await acceptPortForward(upgrade, ({ data, fail, port }) => {
    if (port !== 7) return fail('nobody listens there');
    const target = connect((echo.address() as AddressInfo).port, '127.0.0.1');
    data.pipe(target).pipe(data);
  });
}

function flags(): string[] {
  return [`--server=http://127.0.0.1:${(server.address() as AddressInfo).port}`, `--cache-dir=${home}`];
}

function run(
  binary: string,
  parameters: string[],
  input = '',
): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const options = { env: { HOME: home }, timeout: 15_000 };
    const child = execFile(binary, [...flags(), ...parameters], options, (error, out, err) => {
      resolve({ code: error ? Number(error.code ?? -1) : 0, out, err });
    });
    child.stdin!.on('error', () => {}).end(input); // a command that fails does not read it
  });
}

/** The first line that says which local port is forwarded. */
function forwardedPort(child: ReturnType<typeof spawn>): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const port = /127\.0\.0\.1:(\d+) ->/.exec(said)?.[1];
      if (port) resolve(Number(port));
    });
    child.once('exit', () => reject(new Error(`kubectl ended: ${said}`)));
  });
}

function converse(port: number, words: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(words));
    let heard = '';
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString();
    });
    socket.on('end', () => resolve(heard)).on('error', reject);
  });
}

describe.each(VERSIONS)('kubectl %s', (version) => {
  const binary = join(folder, `kubectl.${version}`);
  const here = test.skipIf(!existsSync(binary));

  here('exec gives output, errors and the exit code', async () => {
    expect(await run(binary, ['exec', 'p', '--', 'fail', '3'])).toMatchObject({
      code: 3,
      out: '',
      err: expect.stringContaining('failing with 3\n'),
    });
  });

  // Without v5 (kubectl 1.30 and later by WebSocket) a client's end of input is the end of a SPDY stream.
  here('exec -i sends its input and the end of it', async () => {
    const input = 'line\n'.repeat(50_000);
    const done = await run(binary, ['exec', '-i', 'p', '--', 'copy'], input);
    expect(done.err).toBe('');
    expect(done.out.length).toBe(input.length);
    expect(done.out === input).toBe(true);
  });

  here('port-forward carries several connections', async () => {
    const child = spawn(binary, [...flags(), 'port-forward', 'pod/p', ':7'], { env: { HOME: home } });
    try {
      const port = await forwardedPort(child);
      const words = ['one', 'two', 'x'.repeat(300_000)];
      const heard = await Promise.all(words.map((each) => converse(port, each)));
      expect(heard.map((each) => each.length)).toEqual([3, 3, 300_000]);
    } finally {
      child.kill();
    }
  });
});

test.skipIf(VERSIONS.some((version) => !existsSync(join(folder, `kubectl.${version}`))))(
  'all four wire protocols have been spoken',
  () => {
    const spoken = new Set(protocols.map((each) => each.toLowerCase()));
    for (const protocol of ['websocket v5.channel.k8s.io', 'websocket spdy/3.1+portforward.k8s.io']) {
      expect(spoken).toContain(protocol);
    }
    expect([...spoken].some((each) => each.startsWith('spdy/3.1') && each.includes('v4.channel'))).toBe(true);
    expect(spoken).toContain('spdy/3.1 portforward.k8s.io');
  },
);
