/** The server over TLS on loopback: both versions of HTTP, client certificates, limits, and clients that leave. */
import { type ClientHttp2Session, connect } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { systemRandom } from '#machinery/random.ts';
import { startTestServer } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

const LIFETIME_MS = 3_600_000;
const MAPS = '/api/v1/namespaces/default/configmaps';

let server: ApiServer;
let authority: KeyAndCertificate;
let admin: KeyAndCertificate;
let stranger: KeyAndCertificate;

beforeAll(async () => {
  const issue = (
    by: KeyAndCertificate,
    commonName: string,
    organizations: string[],
    usage: 'server' | 'client',
  ) =>
    issueCertificate(
      by,
      {
        subject: { commonName, organizations },
        usages: [usage],
        subjectAlternativeNames: usage === 'server' ? ['localhost', '127.0.0.1'] : [],
        lifetimeMs: LIFETIME_MS,
      },
      systemClock,
      systemRandom,
    );
  authority = await makeAuthority('server-ca', LIFETIME_MS, systemClock, systemRandom);
  const clients = await makeAuthority('client-ca', LIFETIME_MS, systemClock, systemRandom);
  const own = await issue(authority, 'apiserver', [], 'server');
  admin = await issue(clients, 'admin', ['system:masters'], 'client');
  stranger = await issue(authority, 'admin', ['system:masters'], 'client');
  server = await startTestServer({
    tls: { certificate: own.certificate, key: own.key, clientAuthority: clients.certificate },
    listen: [{ host: '127.0.0.1', port: 0 }],
  });
});
afterAll(() => server.stop());

const port = () => server.addresses[0]!.port;

function session(client?: KeyAndCertificate): ClientHttp2Session {
  return connect(`https://localhost:${port()}`, {
    ca: authority.certificate,
    ...(client && { cert: client.certificate, key: client.key }),
  });
}

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

function send(on: ClientHttp2Session, headers: Record<string, string>, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = on.request(headers);
    let answer: Record<string, unknown> = {};
    let text = '';
    stream.on('response', (head) => {
      answer = head;
    });
    stream.setEncoding('utf8');
    stream.on('data', (part) => {
      text += part;
    });
    stream.on('end', () =>
      resolve({ status: Number(answer[':status']), headers: answer, body: JSON.parse(text) }),
    );
    stream.on('error', reject);
    stream.end(body);
  });
}

describe('https', () => {
  it('sends large lists at once, each whole, though they share buffers', async () => {
    const client = session(admin);
    const namespace = (letter: string) => `/api/v1/namespaces/lists-${letter}`;
    for (const letter of ['a', 'b', 'c']) {
      const make = (path: string, body: object) =>
        send(
          client,
          { ':method': 'POST', ':path': path, 'content-type': 'application/json' },
          JSON.stringify(body),
        );
      await make('/api/v1/namespaces', { metadata: { name: `lists-${letter}` } });
      for (const n of [1, 2, 3, 4])
        await make(`${namespace(letter)}/configmaps`, {
          metadata: { name: `large-${n}` },
          data: { text: letter.repeat(200_000) },
        });
    }
    for (let round = 0; round < 8; round++) {
      const letters = ['a', 'b', 'c', 'a', 'b', 'c'];
      const lists = letters.map((letter) => send(client, { ':path': `${namespace(letter)}/configmaps` }));
      for (const [index, { status, body }] of (await Promise.all(lists)).entries()) {
        expect(status).toBe(200);
        const own = body.items.filter((item: { data: { text?: string } }) => item.data.text);
        for (const item of own) expect(item.data.text === letters[index]!.repeat(200_000)).toBe(true);
        expect(own).toHaveLength(4);
      }
    }
    client.close();
  });

  it('serves HTTP/2 to a client with a certificate', async () => {
    const client = session(admin);
    const made = await send(
      client,
      { ':method': 'POST', ':path': MAPS, 'content-type': 'application/json' },
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'h2' } }),
    );
    expect(made.status).toBe(201);
    const read = await send(client, { ':path': `${MAPS}/h2` });
    expect(read.body).toEqual(made.body);
    client.close();
  });

  it('serves HTTP/1.1 on the same port', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      httpsRequest(
        {
          host: 'localhost',
          port: port(),
          path: MAPS,
          ca: authority.certificate,
          cert: admin.certificate,
          key: admin.key,
        },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      )
        .on('error', reject)
        .end();
    });
    expect(status).toBe(200);
  });

  it('gives strangers version and health and nothing else, and does not believe certificates of others', async () => {
    for (const client of [session(), session(stranger)]) {
      expect((await send(client, { ':path': '/version' })).body.gitVersion).toMatch(/^v1\.\d+/);
      const refused = await send(client, { ':path': MAPS });
      expect(refused.body).toMatchObject({
        code: 403,
        reason: 'Forbidden',
        message:
          'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" in API group "" in the namespace "default"',
      });
      client.close();
    }
  });

  it('answers bodies that are too large, broken or of unknown type with a Status', async () => {
    const client = session(admin);
    const post = (body: string, type = 'application/json') =>
      send(client, { ':method': 'POST', ':path': MAPS, 'content-type': type }, body);
    expect((await post('x'.repeat(4_000_000))).body).toMatchObject({
      code: 413,
      reason: 'RequestEntityTooLarge',
    });
    expect((await post('{')).body).toMatchObject({ code: 400, reason: 'BadRequest' });
    expect((await post('a=b', 'application/x-www-form-urlencoded')).body).toMatchObject({ code: 415 });
    expect((await send(client, { ':path': '/api/v1/%zz' })).body).toMatchObject({ kind: 'Status' });
    client.close();
  });

  it('compresses large lists for those who ask', async () => {
    const client = session(admin);
    for (let i = 0; i < 20; i++)
      await send(
        client,
        { ':method': 'POST', ':path': MAPS, 'content-type': 'application/json' },
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: `big-${i}` },
          data: { a: 'x'.repeat(10_000) },
        }),
      );
    const stream = client.request({ ':path': MAPS, 'accept-encoding': 'gzip' });
    const head = await new Promise<Record<string, unknown>>((resolve) => stream.on('response', resolve));
    expect(head['content-encoding']).toBe('gzip');
    stream.close();
    client.close();
  });

  it('delivers watch events as they happen and forgets a client that leaves', async () => {
    const client = session(admin);
    const list = await send(client, { ':path': MAPS });
    const watch = client.request({
      ':path': `${MAPS}?watch=1&resourceVersion=${list.body.metadata.resourceVersion}`,
    });
    const head = await new Promise<Record<string, unknown>>((resolve) => watch.on('response', resolve));
    expect(head[':status']).toBe(200);
    const event = new Promise<string>((resolve) => watch.on('data', (chunk) => resolve(String(chunk))));
    await send(
      client,
      { ':method': 'POST', ':path': MAPS, 'content-type': 'application/json' },
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'seen' } }),
    );
    expect(JSON.parse(await event)).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'seen' } } });
    watch.close();
    client.destroy();
  });

  it('answers an upgrade that nobody serves with a Status', async () => {
    const socket = tlsConnect({
      host: 'localhost',
      port: port(),
      ca: authority.certificate,
      cert: admin.certificate,
      key: admin.key,
      ALPNProtocols: ['http/1.1'],
    });
    socket.write(
      `GET ${MAPS}/x/exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    );
    const text = await new Promise<string>((resolve) => {
      let all = '';
      socket.on('data', (chunk) => {
        all += chunk;
      });
      socket.on('close', () => resolve(all));
    });
    expect(text).toMatch(/^HTTP\/1\.1 404 /);
    expect(text).toContain('"reason":"NotFound"');
  });
});
