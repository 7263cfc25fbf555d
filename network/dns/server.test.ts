import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import * as dns from 'dns-packet';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { EndpointSlice, Pod, Service } from '#api/objects.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { seededRandom } from '#machinery/random.ts';
import { parseCidr } from '#machinery/values/cidr.ts';
import { domainRecords, podRecords, serviceRecords } from './records.ts';
import { type DnsServer, startDns } from './server.ts';
import { Zone } from './zone.ts';

const DOMAIN = 'cluster.local';
const LOOPBACK = '127.0.0.1';

const web: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { clusterIP: '10.96.0.7', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
};
const headless: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'db', namespace: 'shop' },
  spec: { clusterIP: 'None', ports: [{ name: 'sql', port: 5432 }] },
};
const external: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'out', namespace: 'shop' },
  spec: { type: 'ExternalName', externalName: 'www.example.org' },
};

function slice(endpoints: EndpointSlice['endpoints']): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'db-1', namespace: 'shop' },
    addressType: 'IPv4',
    ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }],
    endpoints,
  };
}

const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'shop' },
  status: { phase: 'Running', podIP: '10.244.0.5', podIPs: [{ ip: '10.244.0.5' }] },
};

function fill(zone: Zone): void {
  zone.set('zone', domainRecords(DOMAIN, ['10.96.0.10']));
  zone.set('service/shop/web', serviceRecords(web, [], DOMAIN));
  zone.set('service/shop/out', serviceRecords(external, [], DOMAIN));
  zone.set('pod/shop/p', podRecords(pod, DOMAIN));
  const endpoints = [
    { addresses: ['10.244.0.5'], hostname: 'db-0', conditions: { ready: true } },
    { addresses: ['10.244.0.6'], conditions: {} },
    { addresses: ['10.244.0.7'], conditions: { ready: false } },
  ];
  zone.set('service/shop/db', serviceRecords(headless, [slice(endpoints)], DOMAIN));
}

let zone: Zone;
let clock: VirtualClock;
let server: DnsServer;
let upstream: DnsServer;
/** What the upstream server was asked, by a zone that counts. */
let upstreamZone: Zone;

beforeEach(async () => {
  clock = new VirtualClock();
  zone = new Zone(DOMAIN);
  fill(zone);
  upstreamZone = new Zone('example.org');
  upstreamZone.set('test', [
    { name: 'www.example.org', type: 'A', data: '192.0.2.80' },
    { name: 'many.example.org', type: 'A', data: '192.0.2.81' },
  ]);
  const shared = { clock, random: seededRandom(1), reverse: [], stubDomains: [] };
  const listen = [{ address: LOOPBACK, port: 0 }];
  upstream = await startDns({ ...shared, zone: upstreamZone, upstreams: [], listen });
  const reverse = ['10.244.0.0/16', '10.96.0.0/12'].map((each) => parseCidr(each)!);
  server = await startDns({ ...shared, zone, upstreams: upstream.addresses, reverse, listen });
});

afterEach(async () => {
  await server.stop();
  await upstream.stop();
});

function exchangeUdp(message: Buffer, to = server): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.once('message', (answer) => {
      socket.close();
      resolve(answer);
    });
    socket.send(message, to.addresses[0]!.port, LOOPBACK);
  });
}

function exchangeTcp(message: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.addresses[0]!.port, LOOPBACK);
    let all = Buffer.alloc(0);
    socket.once('error', reject);
    socket.on('data', (chunk: Buffer) => {
      all = Buffer.concat([all, chunk]);
      if (all.length < 2 || all.length < all.readUInt16BE(0) + 2) return;
      socket.destroy();
      resolve(all.subarray(2));
    });
    socket.write(dns.streamEncode({ type: 'query', id: 7, questions: dns.decode(message).questions }));
  });
}

function question(name: string, type: dns.RecordType, additionals: dns.Answer[] = []): Buffer {
  return dns.encode({
    type: 'query',
    id: 4711,
    flags: dns.RECURSION_DESIRED,
    questions: [{ name, type }],
    additionals,
  });
}

async function ask(name: string, type: dns.RecordType = 'A') {
  const packet = dns.decode(await exchangeUdp(question(name, type)));
  const data = (packet.answers ?? []).map((each) => ('data' in each ? each.data : undefined));
  return { rcode: (packet as unknown as { rcode: string }).rcode, data, packet };
}

test('a service has its cluster IP, its ports and its way back', async () => {
  expect((await ask('web.shop.svc.cluster.local')).data).toEqual(['10.96.0.7']);
  expect((await ask('_http._tcp.web.shop.svc.cluster.local', 'SRV')).data).toMatchObject([
    { port: 80, target: 'web.shop.svc.cluster.local' },
  ]);
  expect((await ask('7.0.96.10.in-addr.arpa', 'PTR')).data).toEqual(['web.shop.svc.cluster.local']);
});

test('a headless service has its ready pods, by hostname and by address', async () => {
  expect((await ask('db.shop.svc.cluster.local')).data.sort()).toEqual(['10.244.0.5', '10.244.0.6']);
  expect((await ask('db-0.db.shop.svc.cluster.local')).data).toEqual(['10.244.0.5']);
  expect((await ask('10-244-0-6.db.shop.svc.cluster.local')).data).toEqual(['10.244.0.6']);
  const { packet } = await ask('_sql._tcp.db.shop.svc.cluster.local', 'SRV');
  expect(packet.answers).toHaveLength(2);
  expect(packet.additionals?.map((each) => each.name).sort()).toEqual([
    '10-244-0-6.db.shop.svc.cluster.local',
    'db-0.db.shop.svc.cluster.local',
  ]);
  expect((await ask('5.0.244.10.in-addr.arpa', 'PTR')).data).toEqual(['db-0.db.shop.svc.cluster.local']);
});

test('a pod has a name made of its address', async () => {
  expect((await ask('10-244-0-5.shop.pod.cluster.local')).data).toEqual(['10.244.0.5']);
  expect((await ask('10-244-0-9.shop.pod.cluster.local')).rcode).toBe('NXDOMAIN');
});

test('names that are not there are denied with an SOA; names above others exist without data', async () => {
  const missing = await ask('web.shop.svc.cluster.local.svc.cluster.local');
  expect([missing.rcode, missing.packet.authorities?.[0]?.type]).toEqual(['NXDOMAIN', 'SOA']);
  const empty = await ask('shop.svc.cluster.local');
  expect([empty.rcode, empty.data]).toEqual(['NOERROR', []]);
  expect((await ask('web.shop.svc.cluster.local', 'AAAA')).rcode).toBe('NOERROR');
  expect((await ask('99.0.96.10.in-addr.arpa', 'PTR')).rcode).toBe('NXDOMAIN');
});

test('the case of the question comes back', async () => {
  const { packet } = await ask('WEB.Shop.svc.Cluster.LOCAL');
  expect([packet.questions?.[0]?.name, packet.answers?.[0]?.name]).toEqual([
    'WEB.Shop.svc.Cluster.LOCAL',
    'WEB.Shop.svc.Cluster.LOCAL',
  ]);
});

test('a change is seen by the next question, although answers are kept as bytes', async () => {
  await ask('web.shop.svc.cluster.local');
  await ask('web.shop.svc.cluster.local');
  expect(server.counts.kept).toBe(1);
  const moved = { ...web, spec: { ...web.spec, clusterIP: '10.96.0.8' } };
  zone.set('service/shop/web', serviceRecords(moved, [], DOMAIN));
  expect((await ask('web.shop.svc.cluster.local')).data).toEqual(['10.96.0.8']);
  zone.delete('service/shop/web');
  expect((await ask('web.shop.svc.cluster.local')).rcode).toBe('NXDOMAIN');
});

test('other names come from upstream and are kept as long as they may be', async () => {
  expect((await ask('www.example.org')).data).toEqual(['192.0.2.80']);
  await clock.advance(3000);
  const kept = await ask('www.example.org');
  expect([kept.data, (kept.packet.answers?.[0] as { ttl?: number }).ttl]).toEqual([['192.0.2.80'], 2]);
  expect(upstream.counts.queries).toBe(1);
  await clock.advance(3000);
  await ask('www.example.org');
  expect(upstream.counts.queries).toBe(2);
});

test('an ExternalName is an alias, with what it stands for', async () => {
  const { packet } = await ask('out.shop.svc.cluster.local');
  expect(packet.answers?.map(({ type, name }) => `${type} ${name}`)).toEqual([
    'CNAME out.shop.svc.cluster.local',
    'A www.example.org',
  ]);
});

test('an answer too large for UDP is cut off and whole over TCP', async () => {
  const many = Array.from({ length: 100 }, (_, at) => ({ addresses: [`10.244.1.${at + 1}`] }));
  zone.set('service/shop/db', serviceRecords(headless, [slice(many)], DOMAIN));
  const udp = dns.decode(await exchangeUdp(question('db.shop.svc.cluster.local', 'A')));
  expect([udp.flag_tc, udp.answers]).toEqual([true, []]);
  const tcp = dns.decode(await exchangeTcp(question('db.shop.svc.cluster.local', 'A')));
  expect(tcp.answers).toHaveLength(100);
});

test('EDNS is answered with EDNS', async () => {
  const edns = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 4096,
    flags: 0,
    options: [],
  } as unknown as dns.Answer;
  const packet = dns.decode(await exchangeUdp(question('web.shop.svc.cluster.local', 'A', [edns])));
  expect(packet.additionals?.[0]).toMatchObject({ type: 'OPT', udpPayloadSize: 1232 });
});

test('a dead upstream is SERVFAIL, damaged bytes FORMERR, and the server lives on', async () => {
  await upstream.stop();
  const failed = ask('www.example.org');
  await expect(failed).resolves.toMatchObject({ rcode: 'SERVFAIL' });
  const damaged = await exchangeUdp(Buffer.from('00010100000100000000000003777777', 'hex'));
  expect(damaged[3]! & 15).toBe(1);
  expect((await ask('web.shop.svc.cluster.local')).data).toEqual(['10.96.0.7']);
});
