/** Logs, commands, ports and copies through @kubernetes/client-node: real streams and processes behind a node in this process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { Attach, Cp, Exec, KubeConfig, Log, PortForward, type V1Status } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import { FakeNodeLink } from '#apiserver/fake/node-link.ts';
import { HOST, type Served, serve } from '#apiserver/testing/served.ts';
import { systemClock } from '#machinery/clock.ts';
import { acceptExec } from '#machinery/streams/exec.ts';
import { acceptPortForward } from '#machinery/streams/port-forward.ts';
import { eventually } from '../harness/run.ts';

const namespace = 'default';
const echo = createTcp((socket) => socket.pipe(socket).on('error', () => {}));
let directory: string;
let api: Served;
let config: KubeConfig;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gantry-streams-'));
  echo.listen(0, HOST);
  await once(echo, 'listening');
  const nodeLink = new FakeNodeLink(systemClock);
  nodeLink.connect('n1', agent());
  api = await serve({ nodeLink });
  config = new KubeConfig();
  config.loadFromFile(await api.kubeconfig('node', await api.client('admin', ['system:masters'])));
  await seed();
});
afterAll(async () => {
  await api.stop();
  echo.close();
  await rm(directory, { recursive: true });
});

async function seed(): Promise<void> {
  const { engine } = api.server;
  const metadata = { name: 'p', namespace };
  await engine.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }, 'test');
  await engine.create(
    ServiceAccountKind,
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } },
    'test',
  );
  const spec = { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] };
  await engine.create(PodKind, { apiVersion: 'v1', kind: 'Pod', metadata, spec }, 'test');
}

/** The agent of a node, with this machine as its container. */
function agent(): Server {
  const server = createServer((request, response) => {
    const query = new URL(request.url!, 'http://a').searchParams;
    const lines = ['one', 'two', 'three'].slice(-Number(query.get('tailLines') ?? 3));
    response.end(lines.map((line) => `${line}\n`).join(''));
  });
  server.on('upgrade', (request, socket, head) => {
    const upgrade = { request, socket, head };
    const { pathname, searchParams } = new URL(request.url!, 'http://a');
    const served = pathname.startsWith('/portForward/')
      ? acceptPortForward(
          upgrade,
          ({ data }) => {
            const target = connect((echo.address() as AddressInfo).port, HOST);
            data.pipe(target).pipe(data);
          },
          searchParams.getAll('ports').map(Number),
        )
      : execute(
          upgrade,
          pathname.startsWith('/attach/') ? ['cat'] : searchParams.getAll('command'),
          searchParams,
        );
    served.catch((error: unknown) => socket.destroy(error as Error));
  });
  return server;
}

async function execute(
  upgrade: Parameters<typeof acceptExec>[0],
  [command = '', ...parameters]: string[],
  query: URLSearchParams,
): Promise<void> {
  const asks = (name: string) => query.get(name) === 'true';
  const streams = await acceptExec(upgrade, {
    ...{ stdin: asks('stdin'), stdout: asks('stdout'), stderr: asks('stderr'), tty: asks('tty') },
  });
  const child = spawn(command, parameters);
  if (streams.stdin) streams.stdin.pipe(child.stdin);
  else child.stdin.end();
  child.stdin.on('error', () => {}); // a command that ends need not read all
  const written = [child.stdout.pipe(streams.stdout ?? new PassThrough().resume())];
  written.push(child.stderr.pipe(streams.stderr ?? new PassThrough().resume()));
  const [exitCode] = (await once(child, 'close')) as [number];
  await Promise.all(written.map((stream) => (stream.writableFinished ? undefined : once(stream, 'finish'))));
  await streams.finish({ exitCode });
}

/** Runs a command in the pod to its end. */
async function run(
  command: string[],
  input?: string,
): Promise<{ out: string; err: string; status: V1Status }> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const collected = Promise.all([text(stdout), text(stderr)]);
  const status = await new Promise<V1Status>((resolve, reject) => {
    const stdin = input === undefined ? null : Readable.from([input]);
    new Exec(config)
      .exec(namespace, 'p', 'c', command, stdout, stderr, stdin, false, resolve)
      .catch((error: unknown) => reject(error as Error));
  });
  stdout.end();
  stderr.end();
  const [out, err] = await collected;
  return { out, err, status };
}

test('logs are read, whole and from the end', async () => {
  const read = async (options: object) => {
    const stream = new PassThrough();
    await new Log(config).log(namespace, 'p', 'c', stream, options);
    return text(stream);
  };
  expect(await read({})).toBe('one\ntwo\nthree\n');
  expect(await read({ tailLines: 1 })).toBe('three\n');
});

test('of a container that is not there the log is refused', async () => {
  const refused = new Log(config).log(namespace, 'p', 'nope', new PassThrough());
  await expect(refused).rejects.toMatchObject({ code: 400 });
});

test('commands are run, with what they write apart', async () => {
  const { out, err, status } = await run(['sh', '-c', 'echo out; echo err >&2']);
  expect({ out, err }).toEqual({ out: 'out\n', err: 'err\n' });
  expect(status).toMatchObject({ status: 'Success' });
});

test('the code of a command that fails is told', async () => {
  const { status } = await run(['sh', '-c', 'exit 7']);
  expect(status).toMatchObject({
    ...{ status: 'Failure', reason: 'NonZeroExitCode' },
    message: 'command terminated with non-zero exit code: exit status 7',
    details: { causes: [{ reason: 'ExitCode', message: '7' }] },
  });
});

test('a command reads what it is sent, as far as it wants', async () => {
  expect((await run(['head', '-n', '2'], 'a\nb\nc\n')).out).toBe('a\nb\n');
});

test('attached, input comes back', async () => {
  const stdout = new PassThrough();
  const stdin = new PassThrough();
  const socket = await new Attach(config).attach(namespace, 'p', 'c', stdout, null, stdin, false);
  stdin.write('hello\n');
  expect((await once(stdout, 'data'))[0].toString()).toBe('hello\n');
  socket.close();
});

test('a port is forwarded both ways', async () => {
  const output = new PassThrough();
  const input = new PassThrough();
  const socket = await new PortForward(config).portForward(namespace, 'p', [80], output, null, input);
  input.write('ping');
  expect((await once(output, 'data'))[0].toString()).toBe('ping');
  (typeof socket === 'function' ? socket()! : socket).close();
});

test('files are copied out of a pod and into it', async () => {
  const [there, here] = [join(directory, 'there'), join(directory, 'here')];
  await mkdir(there);
  await mkdir(here);
  // More than one frame of any stream on the way.
  const large = 'x'.repeat(300_000);
  await writeFile(join(there, 'file'), large);
  await new Cp(config).cpFromPod(namespace, 'p', 'c', 'file', here, there);
  const arrived = async (path: string, size: number) => {
    const content = await readFile(path);
    return content.length === size ? content : undefined;
  };
  const copied = await eventually('the copy from the pod', () => arrived(join(here, 'file'), large.length));
  expect(copied.toString()).toBe(large);
  await rm(join(there, 'file'));
  await new Cp(config).cpToPod(namespace, 'p', 'c', here, there);
  const back = await eventually('the copy to the pod', () => arrived(join(there, 'file'), large.length));
  expect((await buffer(Readable.from([back]))).length).toBe(large.length);
});
