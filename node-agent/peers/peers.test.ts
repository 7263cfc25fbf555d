import { connect } from 'node:net';
import type { Readable } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { boundKeysText } from '#api/semantics/node-keys.ts';
import { systemClock } from '#machinery/clock.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { httpOver } from '#machinery/http-over.ts';
import { type LogLine, memoryLogger, silentLogger } from '#machinery/log.ts';
import { type KeyAndCertificate, keyHashOf } from '#machinery/pki/certificate.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { seededRandom, systemRandom } from '#machinery/random.ts';
import { collect } from '#machinery/transport.ts';
import type { BlobPeer, BlobRef, Digest, SharedContent } from '#oci/contract.ts';
import { digestOf } from '#oci/testing/image.ts';
import { contentOf } from '#oci/testing/peers.ts';
import { nodeSubject } from '../registration/certificate.ts';
import { PeerAsker } from './ask.ts';
import { blobServer } from './blob-server.ts';
import { blobPath } from './protocol.ts';
import { dialPeer, listenForPeers, type PeerTrust, StrangerError } from './tls.ts';
import { nodeOfCertificate } from './vouch.ts';

const DAY_MS = 24 * 3_600_000;
const BYTES = Buffer.from('layer'.repeat(20_000));
const BLOB: BlobRef = { digest: digestOf(BYTES), size: BYTES.length };

/** What the cluster has bound nodes' names to; each test may change it. */
let keys: Record<string, string>;
const certificates: Record<string, KeyAndCertificate> = {};
let stop: AbortController;
let lines: LogLine[];

async function certify(node: string, organizations?: string[]): Promise<KeyAndCertificate> {
  const issuer = await makeAuthority('test', DAY_MS, systemClock, systemRandom);
  const subject = { ...nodeSubject(node), ...(organizations && { organizations }) };
  const order = { subject, usages: ['client' as const], lifetimeMs: DAY_MS };
  return issueCertificate(issuer, order, systemClock, systemRandom);
}
const bind = (...pairs: KeyAndCertificate[]) =>
  boundKeysText({ keys: pairs.map(({ certificate }) => keyHashOf(certificate)), registered: true });
const trustOf = (node: string): PeerTrust => ({
  held: () => certificates[node]!,
  vouch: (certificate) => nodeOfCertificate(certificate, keys, Date.now()),
});

beforeAll(async () => {
  for (const node of ['a', 'b', 'c']) certificates[node] = await certify(node);
});
beforeEach(() => {
  keys = Object.fromEntries(Object.entries(certificates).map(([node, pair]) => [node, bind(pair)]));
  stop = new AbortController();
  lines = [];
});
afterEach(() => stop.abort());

/** A node that serves others; its address. */
async function serve(node: string, content: SharedContent = contentOf(new Map([[BLOB.digest, BYTES]]))) {
  const server = blobServer({ content, clock: systemClock, log: silentLogger, maxUploads: 2 });
  const at = { host: '127.0.0.1', port: 0 };
  const port = await listenForPeers(server, at, trustOf(node), systemClock, stop.signal);
  stop.signal.addEventListener('abort', () => server.closeAllConnections());
  return { name: node, address: '127.0.0.1', port };
}
type Place = Awaited<ReturnType<typeof serve>>;

const ask = (from: string, to: Place, path: string, method = 'GET') =>
  httpOver(() => dialPeer(to, trustOf(from), systemClock), systemClock).request({
    ...{ method, path, headers: {} },
  });
const askerOf = (from: string, places: Place[]) =>
  new PeerAsker({
    nodes: () => places.map(({ name }) => ({ name, images: new Set<string>() })),
    open: (name) => {
      const place = places.find((one) => one.name === name)!;
      return httpOver(() => dialPeer(place, trustOf(from), systemClock), systemClock);
    },
    ...{ clock: systemClock, random: seededRandom(1), log: memoryLogger(lines) },
  });
async function holders(asker: PeerAsker, patienceMs = 0): Promise<BlobPeer[]> {
  const found: BlobPeer[] = [];
  for await (const peer of asker.peersFor([], patienceMs).holders(BLOB, stop.signal)) found.push(peer);
  return found;
}

describe('whose a certificate is', () => {
  const whose = (pair: KeyAndCertificate, now = Date.now()) =>
    nodeOfCertificate(Buffer.from(pair.certificate.replace(/-----[^-]+-----|\s/g, ''), 'base64'), keys, now);

  test('the node’s that its key is bound to', async () => {
    expect(whose(certificates['a']!)).toBe('a');
    const renewed = await certify('a');
    expect(whose(renewed)).toBeUndefined();
    keys['a'] = bind(renewed, certificates['a']!);
    expect([whose(renewed), whose(certificates['a']!)]).toEqual(['a', 'a']);
  });

  test('nobody’s once the Node was deleted, its time is over, or the name was never bound', async () => {
    expect(whose(certificates['a']!, Date.now() + 2 * DAY_MS)).toBeUndefined();
    keys['a'] = boundKeysText({
      keys: [keyHashOf(certificates['a']!.certificate)],
      registered: true,
      removedMs: 1,
    });
    expect(whose(certificates['a']!)).toBeUndefined();
    expect(whose(await certify('x'))).toBeUndefined();
    expect(whose(await certify('__proto__'))).toBeUndefined();
  });
});

describe('between nodes', () => {
  test('a blob is given from any byte on, and its length told', async () => {
    const b = await serve('b');
    const whole = await ask('a', b, blobPath(BLOB.digest, 0));
    expect(digestOf(await collect(whole.body))).toBe(BLOB.digest);
    const rest = await ask('a', b, blobPath(BLOB.digest, 99_990));
    expect(Buffer.from(await collect(rest.body)).toString()).toBe('layerlayer');
    const head = await ask('a', b, blobPath(BLOB.digest, 0), 'HEAD');
    expect(head.headers['content-length']).toBe(String(BLOB.size));
  });

  test.each<[string, string, string, number]>([
    ['a blob that it has not', 'GET', blobPath(`sha256:${'0'.repeat(64)}`, 0), 404],
    ['what lies behind the end', 'GET', blobPath(BLOB.digest, BYTES.length + 1), 416],
    ['a path of its own', 'GET', '/v1/blobs/../../etc/passwd?offset=0', 400],
    ['something to write', 'PUT', blobPath(BLOB.digest, 0), 400],
  ])('asked for %s it answers %s %s with %i', async (_, method, path, status) => {
    expect((await ask('a', await serve('b'), path, method)).status).toBe(status);
  });

  test('who is no node of the cluster is not served, nor who shows nothing', async () => {
    const b = await serve('b');
    certificates['stranger'] = await certify('a');
    const strange = { ...trustOf('stranger'), vouch: () => 'b' };
    const request = { method: 'GET', path: blobPath(BLOB.digest, 0), headers: {} };
    const transport = httpOver(() => dialPeer(b, strange, systemClock), systemClock);
    await expect(transport.request(request)).rejects.toThrow();
    const bare = connectTls({ host: b.address, port: b.port, rejectUnauthorized: false });
    bare.on('error', () => undefined);
    await new Promise((resolve) => bare.once('close', resolve));
    const plain = connect(b.port, b.address, () => plain.write('GET / HTTP/1.1\r\n\r\n'));
    plain.on('error', () => undefined);
    await new Promise((resolve) => plain.once('close', resolve));
  });

  test('a node whose Node was deleted is out from then on', async () => {
    const b = await serve('b');
    delete keys['a'];
    await expect(ask('a', b, blobPath(BLOB.digest, 0))).rejects.toThrow();
  });

  test('a node is not taken for another', async () => {
    const b = await serve('b');
    await expect(dialPeer({ ...b, name: 'c' }, trustOf('a'), systemClock)).rejects.toThrow(StrangerError);
  });

  test('no more are served at once than may be; the next is told to wait, and is served after', async () => {
    const b = await serve('b', endless());
    const readers = [
      await ask('a', b, blobPath(BLOB.digest, 0)),
      await ask('c', b, blobPath(BLOB.digest, 0)),
    ];
    expect((await ask('a', b, blobPath(BLOB.digest, 0))).status).toBe(503);
    expect((await ask('a', b, blobPath(BLOB.digest, 0), 'HEAD')).headers['gantry-busy']).toBe('true');
    for (const { body } of readers) (body as Readable).destroy();
    await vi.waitFor(async () => {
      const again = await ask('a', b, blobPath(BLOB.digest, 0));
      (again.body as Readable).destroy();
      expect(again.status).toBe(200);
    });
  });
});

describe('asking around', () => {
  test('finds those that have it, and reads of one', async () => {
    const asker = askerOf('a', [await serve('b'), await serve('c', contentOf(new Map()))]);
    const [b, ...others] = await holders(asker);
    expect(b?.name).toBe('b');
    expect(others).toEqual([]);
    expect(digestOf(await collect(await b!.open(0, stop.signal)))).toBe(BLOB.digest);
  });

  test('who is not there, or is somebody else, is passed over for a while', async () => {
    const b = await serve('b');
    const asker = askerOf('a', [{ ...b, name: 'c' }, { ...b, name: 'gone', port: 1 }, b]);
    expect((await holders(asker)).map(({ name }) => name)).toEqual(['b']);
    expect(lines.map(({ fields }) => fields['node']).sort()).toEqual(['c', 'gone']);
    lines.length = 0;
    await holders(asker);
    expect(lines).toEqual([]);
  });

  test('a node that failed is asked again for what is to be had nowhere else', async () => {
    const clock = new VirtualClock();
    let up = false;
    const request = async () => {
      if (!up) throw new Error('refused');
      return { status: 200, headers: { 'content-length': String(BLOB.size) }, body: new Uint8Array() };
    };
    const nodes = () => [{ name: 'b', images: new Set<string>() }];
    const open = () => ({ request, upgrade: () => Promise.reject(new Error('nobody asks')) });
    const asker = new PeerAsker({ nodes, open, clock, random: seededRandom(1), log: memoryLogger(lines) });
    const find = async (patienceMs: number) => {
      for await (const { name } of asker.peersFor([], patienceMs).holders(BLOB, stop.signal)) return name;
      return 'nobody';
    };
    expect(await find(3_000)).toBe('nobody');
    const [found, late] = [find(300_000), find(300_000)];
    await clock.advance(5_000);
    up = true;
    await clock.advance(10_000);
    expect(await Promise.all([found, late])).toEqual(['b', 'b']);
    up = false;
    const never = find(300_000);
    await clock.advance(60_000);
    expect(await never).toBe('nobody');
  });

  test('who lied is not asked again', async () => {
    const asker = askerOf('a', [await serve('b')]);
    asker.peersFor([], 0).blame('b', BLOB.digest);
    expect(await holders(asker)).toEqual([]);
  });

  test('who has it of another size has it not', async () => {
    const other = contentOf(new Map([[BLOB.digest as Digest, BYTES.subarray(1)]]));
    expect(await holders(askerOf('a', [await serve('b', other)]))).toEqual([]);
  });

  test('busy nodes are waited for as long as there is patience', async () => {
    const b = await serve('b', endless());
    const readers = [
      await ask('a', b, blobPath(BLOB.digest, 0)),
      await ask('c', b, blobPath(BLOB.digest, 0)),
    ];
    const asker = askerOf('a', [b]);
    expect(await holders(asker, 0)).toEqual([]);
    expect(await asker.whoHas(BLOB, stop.signal)).toEqual(['b']);
    const waiting = holders(asker, 60_000);
    for (const { body } of readers) (body as Readable).destroy();
    expect((await waiting).map(({ name }) => name)).toEqual(['b']);
  });
});

/** Says it has the blob, and is never done giving it. */
function endless(): SharedContent {
  return {
    openShared: async () => ({
      size: BLOB.size,
      bytes: async function* () {
        yield BYTES.subarray(0, 10);
        await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
      },
    }),
  };
}
