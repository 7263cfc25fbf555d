import { once } from 'node:events';
import type * as http2 from 'node:http2';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { sleep, systemClock } from '#machinery/clock.ts';
import { isStatus } from '#machinery/errors.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { testProxy } from '#machinery/proxy/testing/proxy.ts';
import { systemRandom } from '#machinery/random.ts';
import { collect } from '#machinery/transport.ts';
import { type Http2Transport, http2Transport } from './http2-transport.ts';
import { restClient } from './rest.ts';

let authority: KeyAndCertificate;
let server: http2.Http2SecureServer;
let sessions: http2.ServerHttp2Session[];
let transport: Http2Transport;
let answer: (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;

beforeEach(async () => {
  authority ??= await makeAuthority('test', 3_600_000, systemClock, systemRandom);
  const order = {
    subject: { commonName: 'server' },
    usages: ['server' as const],
    subjectAlternativeNames: ['localhost', '127.0.0.1'],
    lifetimeMs: 3_600_000,
  };
  const pair = await issueCertificate(authority, order, systemClock, systemRandom);
  sessions = [];
  server = createSecureServer({ cert: pair.certificate, key: pair.key, allowHTTP1: true }, (req, res) =>
    answer(req, res),
  );
  server.on('session', (session) => sessions.push(session));
  server.on('upgrade', (request, socket) => {
    if (request.url === '/refused') {
      const body = JSON.stringify({ kind: 'Status', reason: 'Forbidden', message: 'not you' });
      socket.end(`HTTP/1.1 403 Forbidden\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      return;
    }
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\nhello ');
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  transport = http2Transport({
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    clock: systemClock,
    ca: authority.certificate,
    token: () => 'secret',
  });
});

afterEach(async () => {
  transport.close();
  for (const session of sessions) session.destroy();
  await new Promise((resolve) => server.close(resolve));
});

async function eventually(look: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await look()); tries++) {
    if (tries > 400) throw new Error('not within time');
    await sleep(systemClock, 5);
  }
}

const get = (path: string, signal?: AbortSignal) =>
  transport.request({ method: 'GET', path, headers: {}, signal });

describe('the HTTP/2 transport', () => {
  it('sends requests with the token over one session', async () => {
    answer = (request, response) => response.end(`${request.url} ${request.headers.authorization}`);
    const bodies = await Promise.all(
      ['/a', '/b'].map(async (path) => Buffer.from(await collect((await get(path)).body)).toString()),
    );
    expect(bodies).toEqual(['/a Bearer secret', '/b Bearer secret']);
    expect(sessions).toHaveLength(1);
  });

  it('goes by the proxy that is meant for the server, for requests and for upgrades', async () => {
    answer = (request, response) => response.end(request.url);
    const proxy = await testProxy({ credentials: 'user:password' });
    const url = proxy.url.href.replace('://', '://user:password@');
    const { port } = server.address() as AddressInfo;
    const through = http2Transport({
      ...{ url: `https://127.0.0.1:${port}`, clock: systemClock, ca: authority.certificate },
      proxy: () => new URL(url),
    });
    try {
      const request = { method: 'GET', path: '/by-the-proxy', headers: {} };
      expect(Buffer.from(await collect((await through.request(request)).body)).toString()).toBe(request.path);
      const { stream } = await through.upgrade({
        ...request,
        headers: { connection: 'Upgrade', upgrade: 'echo' },
      });
      expect(String((await once(stream, 'data'))[0])).toBe('hello ');
      stream.destroy();
      expect(proxy.asked).toEqual([`127.0.0.1:${port}`, `127.0.0.1:${port}`]);
    } finally {
      through.close();
      proxy.close();
    }
  });

  it('says what a proxy says that refuses, and turns to the next server', async () => {
    answer = (request, response) => response.end(request.url);
    const proxy = await testProxy({ credentials: 'user:password' });
    const good = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    let urls = ['https://127.0.0.1:1'];
    const through = http2Transport({
      ...{ url: () => urls, clock: systemClock, ca: authority.certificate },
      proxy: (target) => (target.port === '1' ? proxy.url : undefined),
    });
    try {
      const request = { method: 'GET', path: '/', headers: {} };
      const refused = {
        reason: 'ServiceUnavailable',
        message: expect.stringContaining('407 Proxy Authentication'),
      };
      await expect(through.request(request)).rejects.toMatchObject(refused);
      await expect(through.upgrade(request)).rejects.toMatchObject(refused);
      urls = ['https://127.0.0.1:1', good];
      expect((await through.request(request)).status).toBe(200);
    } finally {
      through.close();
      proxy.close();
    }
  });

  it('resolves with answers of any status', async () => {
    answer = (_request, response) => response.writeHead(503).end('later');
    expect((await get('/')).status).toBe(503);
  });

  it('connects anew after the session broke', async () => {
    answer = (request, response) => {
      if (request.url === '/die') sessions[0]?.destroy();
      else response.end('ok');
    };
    await expect(get('/die')).rejects.toSatisfy((error) => isStatus(error, 'ServiceUnavailable'));
    expect((await get('/live')).status).toBe(200);
    expect(sessions).toHaveLength(2);
  });

  it('shows a renewed certificate on a new connection, and lets what is under way go on', async () => {
    const order = { subject: { commonName: 'n' }, usages: ['client' as const], lifetimeMs: 3_600_000 };
    const make = () => issueCertificate(authority, order, systemClock, systemRandom);
    let held = await make();
    const waiting: http2.Http2ServerResponse[] = [];
    answer = (request, response) => {
      if (request.url !== '/watch') response.end('ok');
      else waiting.push(response.writeHead(200) as never);
      if (request.url === '/watch') response.write('first ');
    };
    const renewing = http2Transport({
      url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      clock: systemClock,
      ca: authority.certificate,
      certificate: () => ({ cert: held.certificate, key: held.key }),
    });
    try {
      const ask = async (path: string) => await renewing.request({ method: 'GET', path, headers: {} });
      const watch = await ask('/watch');
      await ask('/');
      expect(sessions).toHaveLength(1);
      held = await make();
      await Promise.all([ask('/'), ask('/')]);
      await ask('/');
      expect(sessions).toHaveLength(2);
      waiting[0]!.end('last');
      expect(Buffer.from(await collect(watch.body)).toString()).toBe('first last');
      await eventually(async () => sessions[0]!.destroyed);
      held = await make();
      const second = await ask('/watch');
      held = await make();
      await ask('/');
      renewing.close();
      expect(Buffer.from(await collect(second.body)).toString()).toBe('first ');
    } finally {
      renewing.close();
    }
  });

  it('goes on with another server when the one it uses is away, and stays there', async () => {
    answer = (_request, response) => response.end('ok');
    const here = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const urls = ['https://127.0.0.1:1', here, 'https://127.0.0.1:2'];
    const several = http2Transport({ url: () => urls, clock: systemClock, ca: authority.certificate });
    try {
      const ask = () => several.request({ method: 'GET', path: '/', headers: {} });
      expect((await ask()).status).toBe(200);
      sessions[0]!.destroy();
      await eventually(async () => (await ask().catch(() => undefined))?.status === 200);
      const upgraded = await several.upgrade({ method: 'GET', path: '/', headers: { upgrade: 'echo' } });
      upgraded.stream.destroy();
      // The one in use has left the list.
      urls.splice(0, 3, 'https://127.0.0.1:3');
      sessions.at(-1)!.destroy();
      await eventually(async () => (await ask().catch(() => undefined)) === undefined);
    } finally {
      several.close();
    }
  });

  it('turns to another server for upgrades too', async () => {
    const here = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const urls = ['https://127.0.0.1:1', here];
    const several = http2Transport({ url: () => urls, clock: systemClock, ca: authority.certificate });
    const dial = () => several.upgrade({ method: 'GET', path: '/', headers: { upgrade: 'echo' } });
    await expect(dial()).rejects.toSatisfy((error) => isStatus(error, 'ServiceUnavailable'));
    (await dial()).stream.destroy();
    several.close();
  });

  it('says when nobody listens', async () => {
    const nobody = http2Transport({ url: 'https://127.0.0.1:1', clock: systemClock });
    await expect(nobody.request({ method: 'GET', path: '/', headers: {} })).rejects.toSatisfy((error) =>
      isStatus(error, 'ServiceUnavailable'),
    );
  });

  it('ends the stream of a body that is no longer read', async () => {
    const closed = new Promise<void>((resolve) => {
      answer = (_request, response) => {
        response.stream.once('close', resolve);
        response.write('first\n');
      };
    });
    const { body } = await get('/watch');
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      expect(Buffer.from(chunk).toString()).toBe('first\n');
      break;
    }
    await closed;
  });

  it('makes a cut body an error, not a short body', async () => {
    answer = (_request, response) => {
      response.write('half');
      setImmediate(() => response.stream.close(2));
    };
    const { body } = await get('/');
    await expect(collect(body)).rejects.toSatisfy((error) => isStatus(error, 'ServiceUnavailable'));
  });

  it('upgrades over HTTP/1.1 and passes raw bytes both ways', async () => {
    const { status, stream } = await transport.upgrade({
      method: 'GET',
      path: '/exec',
      headers: { upgrade: 'echo' },
    });
    expect(status).toBe(101);
    stream.write('you');
    let text = '';
    for await (const chunk of stream) {
      text += chunk;
      if (text === 'hello you') break;
    }
    expect(text).toBe('hello you');
  });

  it('rejects a refused upgrade with the reason the server gave', async () => {
    const refused = transport.upgrade({ method: 'GET', path: '/refused', headers: { upgrade: 'echo' } });
    await expect(refused).rejects.toSatisfy((error) => isStatus(error, 'Forbidden'));
  });

  it('carries a watch of the REST client', async () => {
    answer = (_request, response) => {
      const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', resourceVersion: '7' } };
      const expired = { kind: 'Status', reason: 'Expired', code: 410, message: 'too old' };
      const lines = [
        { type: 'ADDED', object },
        { type: 'BOOKMARK', object },
        { type: 'ERROR', object: expired },
      ];
      const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
      response.write(text.slice(0, 40));
      response.end(text.slice(40));
    };
    const client = restClient({ transport, clock: systemClock, userAgent: 'test' });
    const watch = client.watch(ConfigMapKind, { resourceVersion: '1', signal: new AbortController().signal });
    const seen: string[] = [];
    await expect(
      (async () => {
        for await (const event of watch) seen.push(event.type);
      })(),
    ).rejects.toSatisfy((error) => isStatus(error, 'Expired'));
    expect(seen).toEqual(['added', 'bookmark']);
  });
});
