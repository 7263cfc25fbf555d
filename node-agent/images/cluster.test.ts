import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NodeKind } from '#api/kinds/node.ts';
import type { Node } from '#api/objects.ts';
import {
  LOADED_IMAGES,
  type LoadedImage,
  loadedImageKey,
  loadedImageText,
} from '#api/semantics/loaded-images.ts';
import { boundKeysText, NODE_KEYS } from '#api/semantics/node-keys.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { startInformer } from '#client/informer.ts';
import { systemClock } from '#machinery/clock.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { type KeyAndCertificate, keyHashOf } from '#machinery/pki/certificate.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { systemRandom } from '#machinery/random.ts';
import { collect } from '#machinery/transport.ts';
import type { BlobRef, Image, SharedContent } from '#oci/contract.ts';
import { fakeImage } from '#oci/fake/index.ts';
import { digestOf } from '#oci/testing/image.ts';
import { contentOf } from '#oci/testing/peers.ts';
import { IMAGE_PORT_ANNOTATION } from '../peers/protocol.ts';
import { nodeSubject } from '../registration/certificate.ts';
import { type SharedImages, shareImages } from './cluster.ts';

const HOUR_MS = 3_600_000;
const BYTES = Buffer.from('a layer');
const BLOB: BlobRef = { digest: digestOf(BYTES), size: BYTES.length };
const CONTENT = contentOf(new Map([[BLOB.digest, BYTES]]));
const NOTHING = contentOf(new Map());

let cluster: FakeCluster;
let stop: AbortController;
let lines: LogLine[];
let taken: Server | undefined;

beforeEach(() => {
  cluster = new FakeCluster({ clock: systemClock, random: systemRandom });
  stop = new AbortController();
  lines = [];
});
afterEach(() => {
  stop.abort();
  taken?.close();
  taken = undefined;
});

async function certify(name: string): Promise<KeyAndCertificate> {
  const authority = await makeAuthority('test', HOUR_MS, systemClock, systemRandom);
  const order = { subject: nodeSubject(name), usages: ['client' as const], lifetimeMs: HOUR_MS };
  return issueCertificate(authority, order, systemClock, systemRandom);
}

/** Nodes of one cluster, each with that content, on a port of its own. */
async function nodes(
  contents: Record<string, SharedContent>,
  port?: number,
): Promise<Record<string, SharedImages>> {
  const { client } = cluster;
  const common = { client, clock: systemClock, random: systemRandom, signal: stop.signal };
  const pairs = new Map<string, KeyAndCertificate>();
  for (const name of Object.keys(contents)) {
    pairs.set(name, await certify(name));
    const status: Node['status'] = { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }] };
    const spec = { podCIDRs: ['10.244.0.0/24'] };
    await client.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec, status });
  }
  const entries = [...pairs].map(([name, { certificate }]) => [
    name,
    boundKeysText({ keys: [keyHashOf(certificate)], registered: true }),
  ]);
  const data = Object.fromEntries(entries);
  await client.create(ConfigMapKind, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { ...NODE_KEYS },
    data,
  });
  const found: Record<string, SharedImages> = {};
  for (const [name, content] of Object.entries(contents)) {
    const listen = { host: '127.0.0.1', port: port ?? (await freePort()) };
    const informer = startInformer<Node>({ ...common, kind: NodeKind });
    const sharing = { content, listen, held: () => pairs.get(name)! };
    const deps = { ...common, sharing, nodes: informer, nodeName: name, log: memoryLogger(lines) };
    found[name] = shareImages(deps);
  }
  return found;
}

/** Nobody has it now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function holders(shared: SharedImages): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of shared.peersFor([], 0).holders(BLOB, stop.signal)) names.push(name);
  return names;
}

test('a node that says where it serves is asked, and gives what it has', async () => {
  const { a, b } = await nodes({ a: NOTHING, b: CONTENT });
  await b!.serve();
  await vi.waitFor(async () => expect(await holders(a!)).toEqual(['b']));
  for await (const peer of a!.peersFor([], 0).holders(BLOB, stop.signal))
    expect(Buffer.from(await collect(await peer.open(0, stop.signal)))).toEqual(BYTES);
  expect(b!.sentBytes()).toBe(BLOB.size);
  // Never itself.
  expect(await holders(b!)).toEqual([]);
});

test('a port that somebody has is not told, and tried again', async () => {
  const port = await freePort();
  taken = createServer().listen(port, '127.0.0.1');
  const { a } = await nodes({ a: CONTENT }, port);
  await a!.serve();
  expect(lines.at(-1)!.message).toContain('Other nodes get no images of this one yet');
  const told = async () => (await cluster.client.get(NodeKind, { name: 'a' })).metadata.annotations;
  expect(await told()).toBeUndefined();
  await new Promise((resolve) => taken!.close(resolve));
  await vi.waitFor(async () => expect((await told())?.[IMAGE_PORT_ANNOTATION]).toBe(String(port)), 10_000);
});

test('of two that have copies only one may let its copy go', async () => {
  const { a, b } = await nodes({ a: CONTENT, b: CONTENT });
  await Promise.all([a!.serve(), b!.serve()]);
  const image = { ...fakeImage(1), manifest: BLOB } as unknown as Image;
  await vi.waitFor(async () => {
    expect(await holders(a!)).toEqual(['b']);
    expect(await holders(b!)).toEqual(['a']);
  });
  expect([await a!.isElsewhere(image), await b!.isElsewhere(image)]).toEqual([false, true]);
});

test('what was loaded is known by its name, and not before the server has told', async () => {
  const { a } = await nodes({ a: NOTHING });
  const image: LoadedImage = {
    ...{ name: 'docker.io/library/app:1', id: BLOB.digest, manifest: BLOB, sizeBytes: 1, nodes: 'all' },
  };
  expect(a!.all()).toBeUndefined();
  await vi.waitFor(() => expect(a!.all()?.size).toBe(0));
  const told = new Promise<void>((resolve) => a!.onChange(resolve));
  const data = { [loadedImageKey(image.name)]: loadedImageText(image) };
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...LOADED_IMAGES }, data };
  await cluster.client.create(ConfigMapKind, object);
  await told;
  expect(a!.loaded(image.name)).toEqual(image);
});
