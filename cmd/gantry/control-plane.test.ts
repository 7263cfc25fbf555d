import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import { silentLogger } from '#machinery/log.ts';
import { controlPlaneOf, keptControlPlane, parseControlPlane, writeControlPlane } from './control-plane.ts';
import type { JoinFlags } from './membership/join.ts';
import { enterAsServer } from './membership/join-server.ts';
import { addJoinOptions, addUpOptions, type Settings, settle, type UpFlags } from './options.ts';
import { pathsOf } from './paths.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-plane-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));
const files = systemFiles();

function serverWith(args: string[]): Settings {
  const dataDir = join(root, 'one');
  mkdirSync(join(dataDir, 'pki'), { recursive: true });
  for (const name of [
    'server-ca.crt',
    'server-ca.key',
    'client-ca.crt',
    'client-ca.key',
    'node-ca.crt',
    'node-ca.key',
    'service-account.crt',
    'service-account.key',
  ])
    writeFileSync(join(dataDir, 'pki', name), `${name} of one`);
  writeFileSync(join(dataDir, 'encryption-keys.json'), 'keys of one');
  writeFileSync(join(root, 'etcd-ca.pem'), 'authority of etcd');
  const all = ['--data-dir', dataDir, '--advertise-address', '192.0.2.1', '--node-name', 'one', ...args];
  return settle(addUpOptions(new Command()).parse(all, { from: 'user' }).opts<UpFlags>());
}
const ETCD = ['--store', 'etcd://192.0.2.9:2379', '--etcd-ca'];
const node = () => {
  const dataDir = join(root, 'two');
  const args = [
    '--data-dir',
    dataDir,
    '--node-name',
    'two',
    '--node-ip',
    '192.0.2.2',
    '--log-level',
    'warn',
    '--system-reserved',
    'memory=1Gi',
    '--tls-san',
    'two.example.org',
  ];
  const { nodeIp, ...flags } = addJoinOptions(new Command()).parse(args, { from: 'user' }).opts<JoinFlags>();
  return settle({ ...flags, ...(nodeIp && { advertiseAddress: nodeIp }) });
};

test('what one server gives makes another one of the same cluster', async () => {
  const first = serverWith([
    ...ETCD,
    join(root, 'etcd-ca.pem'),
    '--pod-cidr',
    '10.9.0.0/16',
    '--leader-lease',
    '5s',
    '--vxlan',
    '7:4790',
    '--tls-san',
    'api.example.org',
    '--virtual-address',
    '192.0.2.100%eth0',
  ]);
  const plane = parseControlPlane(JSON.stringify(controlPlaneOf(first)));
  const second = node();
  await writeControlPlane(files, second.paths, plane);
  const signal = new AbortController().signal;
  const deps = { files, clock: systemClock, log: silentLogger, signal };
  const { settings } = await enterAsServer('https://192.0.2.1:6443', undefined, second, deps);
  expect(settings).toMatchObject({
    ...{
      nodeName: 'two',
      advertiseAddress: '192.0.2.2',
      podCidr: '10.9.0.0/16',
      leaderLease: 5000,
      vxlan: { id: 7, port: 4790 },
      tlsSan: ['api.example.org', 'two.example.org'],
      virtualAddress: [{ address: '192.0.2.100' }],
      systemReserved: { memory: 2 ** 30 },
      agent: true,
    },
    ...{
      store: first.store,
      listen: first.listen,
      etcdCa: join(second.paths.root, 'etcd/ca'),
      logLevel: 'warn',
    },
    paths: second.paths,
  });
  const text = async (name: string) =>
    Buffer.from((await files.read(join(second.paths.root, name)))!).toString();
  expect(await text('pki/client-ca.key')).toBe('client-ca.key of one');
  expect(await text('encryption-keys.json')).toBe('keys of one');
  expect(await text('etcd/ca')).toBe('authority of etcd');
});

test('a cluster on one machine’s SQLite has no other server', () => {
  expect(() => controlPlaneOf(serverWith([]))).toThrow('move it to etcd first');
});

test.each([
  ['another version', { version: 2 }],
  ['files elsewhere', { files: { '../up': 'x' } }],
  ['files anywhere', { files: { '/etc/passwd': 'x' } }],
  ['arguments that are none', { args: [1] }],
])('%s is refused', (_, change) => {
  const plane = { version: 1, files: {}, args: [], fileArgs: {}, ...change };
  expect(() => parseControlPlane(JSON.stringify(plane))).toThrow();
});

test('a machine that has not joined has no arguments', async () => {
  expect(await keptControlPlane(files, pathsOf(join(root, 'two')))).toBeUndefined();
});
