import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Server as TcpServer } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock as clock } from '../clock.ts';
import { VirtualClock } from '../clock-virtual.ts';
import { MemoryFiles } from '../files-memory.ts';
import { pkiDirectory } from '../pki/directory.ts';
import { systemRandom } from '../random.ts';
import { dialThrough } from './connect.ts';
import { proxiedFetch } from './fetch.ts';
import { proxyRules } from './rules.ts';
import { type TestProxy, type TestProxyOptions, testProxy } from './testing/proxy.ts';

const open: { close(): void }[] = [];
let tls: { cert: string; key: string };
let ca: string;
let echo: TcpServer;

beforeAll(async () => {
  const pki = pkiDirectory('/pki', { files: new MemoryFiles(), clock, random: systemRandom });
  ca = (await pki.authority('ca', 'ca')).certificate;
  const { certificate: cert, key } = await pki.certificate('proxy', 'ca', {
    subject: { commonName: 'proxy' },
    usages: ['server'],
    subjectAlternativeNames: ['127.0.0.1', 'registry.example.com'],
    lifetimeMs: 3_600_000,
  });
  tls = { cert, key };
  echo = createTcp((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
});
afterAll(() => {
  echo.close();
});
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

async function proxy(options: TestProxyOptions = {}): Promise<TestProxy> {
  const made = await testProxy(options);
  open.push(made);
  return made;
}
const withCredentials = (url: URL, text: string) => new URL(url.href.replace('://', `://${text}@`));
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

async function echoed(url: URL): Promise<string> {
  const socket = await dialThrough(url, '127.0.0.1', portOf(echo), { clock, ca });
  socket.write('there and back');
  const [heard] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return heard.toString();
}

describe('a connection by a proxy', () => {
  test('is to what was asked for', async () => {
    const { url, asked } = await proxy();
    expect(await echoed(url)).toBe('there and back');
    expect(asked).toEqual([`127.0.0.1:${portOf(echo)}`]);
  });

  test('is asked for with credentials, which are not told', async () => {
    const { url } = await proxy({ credentials: 'us:er:pass%word' });
    const right = withCredentials(url, 'us%3Aer:pass%25word');
    expect(await echoed(right)).toBe('there and back');
    const wrong = echoed(withCredentials(url, 'user:secret'));
    await expect(wrong).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: `127.0.0.1:${portOf(echo)} by the proxy ${url.origin}: it refuses with 407 Proxy Authentication Required (ask the network team for an account)`,
    });
  });

  test('to a proxy that is spoken to by TLS', async () => {
    const { url } = await proxy({ tls });
    expect(await echoed(url)).toBe('there and back');
    const unknown = dialThrough(url, '127.0.0.1', portOf(echo), { clock });
    await expect(unknown).rejects.toThrow(/by the proxy https:.*: .*certificate/);
  });
});

describe('a proxy that', () => {
  test.each<[string, string, string]>([
    ['forbids', 'HTTP/1.1 403 Forbidden\r\ncontent-type: text/html\r\n\r\n<h1>Sorry</h1>', '403 Forbidden'],
    [
      'forbids with endless words',
      `HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain\r\n\r\n${'no! '.repeat(10_000)}`,
      `403 Forbidden (${'no! '.repeat(50).trim()})`,
    ],
    ['is broken', 'HTTP/1.1 502 Bad Gateway\r\n\r\n', '502 Bad Gateway'],
  ])('%s says so', async (_what, answer, expected) => {
    const { url } = await proxy({ instead: (client) => client.write(answer) });
    const said = await dialThrough(url, 'example.com', 443, { clock }).catch((error) => error.message);
    expect(said).toBe(`example.com:443 by the proxy ${url.origin}: it refuses with ${expected}`);
  });

  test('closes before it answers, or says what is no HTTP, is an error', async () => {
    const closing = await proxy({ instead: (client) => client.destroy() });
    await expect(dialThrough(closing.url, 'a', 1, { clock })).rejects.toThrow('socket hang up');
    const odd = await proxy({ instead: (client) => client.end('220 mail.example.com ESMTP\r\n') });
    await expect(dialThrough(odd.url, 'a', 1, { clock })).rejects.toThrow('Parse Error');
    const long = await proxy({
      instead: (client) => client.write(`HTTP/1.1 200 OK\r\na: ${'b'.repeat(20_000)}`),
    });
    await expect(dialThrough(long.url, 'a', 1, { clock })).rejects.toThrow('Header overflow');
    closing.close();
    await expect(dialThrough(closing.url, 'a', 1, { clock })).rejects.toThrow('ECONNREFUSED');
  });

  test('closes in the middle ends the connection', async () => {
    const { url } = await proxy({
      instead(client) {
        client.write('HTTP/1.1 200 OK\r\n\r\nhalf');
        setImmediate(() => client.destroy());
      },
    });
    const socket = await dialThrough(url, 'a', 1, { clock });
    expect((await buffer(socket)).toString()).toBe('half');
  });

  test('says nothing is left after ten seconds, or when nobody wants it any more', async () => {
    const virtual = new VirtualClock();
    const { url, asked } = await proxy({ instead: () => {} });
    const late = dialThrough(url, 'a', 1, { clock: virtual }).catch((error) => error.message);
    while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await virtual.advance(10_000);
    expect(await late).toContain('no answer within 10 s');
    const end = new AbortController();
    const aborted = expect(dialThrough(url, 'a', 1, { clock, signal: end.signal })).rejects.toThrow(
      'aborted',
    );
    end.abort();
    await aborted;
  });
});

describe('fetch', () => {
  const direct = () => Promise.reject(new Error('nothing is fetched without the proxy'));
  const text = async (response: Response) => [response.status, await response.text()];

  test('by TLS goes through the proxy to a server that is who it says it is', async () => {
    const server = createHttps(tls, (request, response) => {
      if (request.url === '/moved') response.writeHead(307, { location: '/v2/' }).end();
      else
        response.end(`${request.headers.host} ${request.headers['proxy-authorization'] ?? 'no credentials'}`);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.push(server);
    const target = () => ({ host: '127.0.0.1', port: portOf(server) });
    const { url, asked } = await proxy({ target, credentials: 'a:b' });
    const rules = proxyRules({ https: withCredentials(url, 'a:b').href });
    const get = proxiedFetch(rules, direct, { clock, serverCa: ca });
    expect(await text(await get('https://registry.example.com/v2/', {}))).toEqual([
      200,
      'registry.example.com no credentials',
    ]);
    expect((await get('https://registry.example.com/moved', { redirect: 'manual' })).status).toBe(307);
    await expect(get('https://other.example.com/', {})).rejects.toThrow('altnames');
    expect(asked).toEqual([
      ...['registry.example.com:443', 'registry.example.com:443', 'other.example.com:443'],
    ]);
  });

  test('in plain is the proxy\u2019s, and nothing of its credentials is the server\u2019s', async () => {
    const { url } = await proxy();
    const get = proxiedFetch(proxyRules({ http: withCredentials(url, 'a:b').href }), direct, { clock });
    const target = 'http://registry.example.com:5000/v2/';
    expect(await text(await get(target, {}))).toEqual([
      200,
      `by the proxy: ${target} of registry.example.com:5000`,
    ]);
  });

  test('is direct where there is no proxy', async () => {
    const server = createHttp((_request, response) => response.end('direct')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.push(server);
    const get = proxiedFetch(proxyRules({ http: 'http://127.0.0.1:1' }), fetch, { clock });
    expect(await text(await get(`http://127.0.0.1:${portOf(server)}/`, {}))).toEqual([200, 'direct']);
  });
});
