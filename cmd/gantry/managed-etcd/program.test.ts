import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pathsOf } from '../paths.ts';
import { claimPorts, EtcdProgramError, etcdArguments, probeEtcd } from './program.ts';

const directory = mkdtempSync(join(tmpdir(), 'gantry-etcd-program-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('the program', () => {
  const says = (name: string, script: string) => {
    const path = join(directory, name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  };

  test.each(['3.4.23', '3.5.16', '3.6.0-rc.1'])('version %s is taken', async (version) => {
    const path = says('fits', `echo "etcd Version: ${version}"; echo "Git SHA: x"`);
    expect(await probeEtcd(path)).toBe(version);
  });

  test.each<[string, string, RegExp]>([
    ['one without learners', 'echo "etcd Version: 3.3.27"', /3\.3\.27: 3\.4 or a later 3/],
    ['one of another time', 'echo "etcd Version: 4.0.0"', /4\.0\.0/],
    ['one that says nothing', 'true', /unknown version/],
    ['one that fails', 'exit 3', /--version fails/],
  ])('%s is refused', async (_, script, message) => {
    await expect(probeEtcd(says('unfit', script))).rejects.toThrow(message);
  });

  test('where there is none, its package is named', async () => {
    const missing = probeEtcd(join(directory, 'nothing'));
    await expect(missing).rejects.toThrow(EtcdProgramError);
    await expect(missing).rejects.toThrow(/package etcd-server/);
  });
});

describe('its ports', () => {
  const server = createServer();
  let taken = 0;
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    taken = (server.address() as AddressInfo).port;
  });
  afterAll(() => void server.close());

  test('one that somebody has is refused, and the flag for another one is named', async () => {
    const place = { paths: pathsOf(directory), advertiseAddress: '127.0.0.1', etcdPeerPort: 0 };
    await expect(claimPorts({ ...place, etcdClientPort: taken })).rejects.toThrow(
      new RegExp(`127\\.0\\.0\\.1:${taken} \\(EADDRINUSE\\).*--etcd-client-port`),
    );
    await claimPorts({ ...place, etcdClientPort: 0 });
  });
});

test('a member lets nobody in without a certificate, on both of its ports', () => {
  const paths = pathsOf('/nowhere/gantry');
  const member = {
    ...{ name: 'node-1', quotaBytes: 8, initialCluster: 'node-1=https://10.0.0.1:2380', existing: false },
    ...{ peerUrl: 'https://10.0.0.1:2380', clientUrl: 'https://10.0.0.1:2379' },
  };
  const place = { paths, advertiseAddress: '10.0.0.1', etcdClientPort: 2379, etcdPeerPort: 2380 };
  const flags = (version: string, change = {}) => etcdArguments({ ...place, member, version, ...change });
  const text = flags('3.4.23').join(' ');
  for (const part of [
    '--data-dir /nowhere/gantry/etcd/data',
    '--listen-client-urls https://127.0.0.1:2379,https://10.0.0.1:2379 --advertise-client-urls https://10.0.0.1:2379',
    '--listen-peer-urls https://10.0.0.1:2380',
    '--cert-file /nowhere/gantry/pki/etcd-server.crt --key-file /nowhere/gantry/pki/etcd-server.key --client-cert-auth --trusted-ca-file /nowhere/gantry/pki/etcd-ca.crt',
    '--peer-cert-file /nowhere/gantry/pki/etcd-peer.crt --peer-key-file /nowhere/gantry/pki/etcd-peer.key --peer-client-cert-auth --peer-trusted-ca-file /nowhere/gantry/pki/etcd-ca.crt',
    '--initial-cluster-state new',
    '--quota-backend-bytes 8',
    '--pre-vote',
  ])
    expect(text).toContain(part);
  expect(flags('3.5.1')).not.toContain('--pre-vote');
  // It comes back elsewhere: it listens there, and is to the others what it was until they are told.
  const moved = flags('3.5.1', { advertiseAddress: '10.0.0.7' }).join(' ');
  expect(moved).toContain(
    '--listen-peer-urls https://10.0.0.7:2380 --initial-advertise-peer-urls https://10.0.0.1:2380',
  );
  expect(flags('3.5.1', { advertiseAddress: '127.0.0.1' })).toContain('https://127.0.0.1:2379');
});
