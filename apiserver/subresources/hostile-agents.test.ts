import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { NodeLink } from '#api/node-link.ts';
import { systemClock } from '#machinery/clock.ts';
import { httpOver } from '#machinery/http-over.ts';
import type { KeyAndCertificate } from '#machinery/pki/certificate.ts';
import { type Random, seededRandom } from '#machinery/random.ts';
import { callsTo } from '../fake/server.ts';
import { HOST, type Served, serve } from '../testing/served.ts';

/**
 * A node that somebody has taken over says what it likes. Whatever it is, it ends that one request: no exception of a server
 * goes astray (vitest fails on those), and the next client is answered.
 */

const ROUNDS = 100;
const ENOUGH_MS = 60;
/** Who has not answered by then is not only slow. */
const ALIVE_MS = 10_000;
const PODS = '/api/v1/namespaces/default/pods';
const WEBSOCKET = [
  'connection: Upgrade',
  'upgrade: websocket',
  'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==',
  'sec-websocket-version: 13',
  'sec-websocket-protocol: v5.channel.k8s.io',
];
const SPDY = ['connection: Upgrade', 'upgrade: SPDY/3.1', 'x-stream-protocol-version: v4.channel.k8s.io'];

const ASKED: [path: string, headers: string[]][] = [
  [`${PODS}/p/log?follow=1`, []],
  [`${PODS}/p/exec?command=ls&stdout=1`, WEBSOCKET],
  [`${PODS}/p/attach?stdout=1`, SPDY],
  [`${PODS}/p/portforward?ports=80`, SPDY],
  [`${PODS}/p:80/proxy/`, []],
  ['/api/v1/nodes/n1/proxy/stats/summary', []],
  ['/apis/metrics.k8s.io/v1beta1/nodes', []],
];

const ANSWERS = [
  'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n\x82\x05\x01hello',
  'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\n\r\n\x80\x03\x00\x01\x00\x00\x00\x00',
  'HTTP/1.1 999 Odd\r\nconnection: close\r\n\r\n',
  'HTTP/1.1 500 No\r\ncontent-length: 40\r\n\r\n{"kind":"Status","code":"no","details":1}',
  'HTTP/1.1 403 No\r\ncontent-length: 26\r\n\r\n{"kind":"Status","code":7}',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No\r\ncontent-length: 9\r\n\r\nnot empty',
  'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-frame: a\r\ncontent-type: \xff\x00\r\n\r\n[]',
  `HTTP/1.1 200 OK\r\ncontent-length: 62\r\n\r\n{"machine":{"cpuNanoseconds":1e308,"workingSetBytes":-1},"pods":null}`,
];

/** The answer with some of its bytes changed, cut, said twice or mixed with another's. */
function spoiled(answer: string, random: Random): Buffer {
  const bytes = Buffer.from(answer, 'latin1');
  const at = () => Math.floor(random.next() * bytes.length);
  switch (Math.floor(random.next() * 5)) {
    case 0:
      return bytes.subarray(0, at());
    case 1:
      for (let count = 0; count < 3; count += 1) bytes[at()] = Math.floor(random.next() * 256);
      return bytes;
    case 2:
      return Buffer.concat([bytes, bytes]);
    case 3: {
      const place = at();
      return Buffer.concat([bytes.subarray(0, place), bytes.subarray(at()), Buffer.from('\r\n\r\n')]);
    }
    default:
      return bytes;
  }
}

let random = seededRandom(1);

/** Says something as soon as it is reached, or once it is asked, and then ends, breaks off or says no more. */
function agent() {
  const [ours, theirs] = duplexPair();
  theirs.on('error', () => {}); // the server may close at any time
  ours.on('close', () => theirs.destroy());
  const answer = spoiled(ANSWERS[Math.floor(random.next() * ANSWERS.length)]!, random);
  const [early, ending] = [random.next() < 0.1, random.next()];
  const say = () => {
    theirs.write(answer);
    if (ending < 0.4) theirs.end();
    else if (ending < 0.8) setImmediate(() => ours.destroy(new Error('the wire broke')));
  };
  if (early) say();
  else theirs.once('data', say);
  theirs.resume();
  return ours;
}

const link: NodeLink = {
  open: () => httpOver(async () => agent(), systemClock),
  dial: async () => agent(),
};

let api: Served;
let administrator: KeyAndCertificate;
beforeAll(async () => {
  api = await serve({ nodeLink: link });
  administrator = await api.client('admin', ['system:masters']);
  const call = callsTo(api.server);
  const make = async (path: string, kind: string, name: string, more: object = {}) => {
    const { status, body } = await call('POST', path, {
      apiVersion: 'v1',
      kind,
      metadata: { name },
      ...more,
    });
    if (status !== 201) throw new Error(JSON.stringify(body));
    return body as { metadata: object };
  };
  await make('/api/v1/nodes', 'Node', 'n1');
  await make('/api/v1/namespaces/default/serviceaccounts', 'ServiceAccount', 'default');
  const spec = { containers: [{ name: 'c', image: 'i' }], nodeName: 'n1' };
  const pod = await make(PODS, 'Pod', 'p', { spec });
  await call('PUT', `${PODS}/p/status`, { ...pod, status: { phase: 'Running', podIP: '10.244.0.7' } });
});
afterAll(() => api.stop());

async function ask(path: string, headers: string[], enoughMs = ENOUGH_MS): Promise<string> {
  const { certificate: cert, key } = administrator;
  const socket = connect({ host: HOST, port: api.port, ca: api.authority.certificate, cert, key });
  const closing = headers.length > 0 ? headers : ['connection: close'];
  socket.write(`GET ${path} HTTP/1.1\r\n${[`host: ${HOST}`, ...closing, '', ''].join('\r\n')}`);
  // What was upgraded, or is followed, may have no end: a moment of it is enough.
  const enough = setTimeout(() => socket.destroy(), enoughMs);
  try {
    return await text(socket);
  } catch {
    return 'it broke off'; // as it does to a client whose node breaks off
  } finally {
    clearTimeout(enough);
  }
}

test(
  'nothing that a node says does a server any harm',
  async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      random = seededRandom(round);
      await Promise.all(ASKED.map(([path, headers]) => ask(path, headers)));
    }
    expect(await ask('/livez', [], ALIVE_MS)).toMatch(/^HTTP\/1.1 200 /);
  },
  ROUNDS * 2000,
);
