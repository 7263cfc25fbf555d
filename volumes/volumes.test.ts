import { lstat, mkdtemp, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Volume } from '#api/objects.ts';
import { podWith, sourcesOf, volumeConformance } from './conformance.ts';
import type { VolumeDriver, VolumeSources } from './contract.ts';
import { fieldValue, resourceValue } from './downward.ts';
import { systemVolumeFiles } from './files.ts';
import { volumeDrivers } from './index.ts';

const text = (data: Record<string, string>) =>
  Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value)]));
const driver = (name: string): VolumeDriver => volumeDrivers().find((one) => one.name === name)!;
const settings = sourcesOf({
  configMap: (name) => (name === 'settings' ? text({ a: '1', b: '2' }) : undefined),
  secret: (name) => (name === 'keys' ? text({ password: 'hunter2' }) : undefined),
  token: (audience, seconds) => Promise.resolve(`token for ${audience} and ${seconds} s`),
});

const EXAMPLES: [string, Volume, VolumeSources?][] = [
  ['empty-dir', { name: 'v', emptyDir: {} }],
  ['config-map', { name: 'v', configMap: { name: 'settings' } }, settings],
  ['secret', { name: 'v', secret: { secretName: 'keys' } }, settings],
  ['projected', { name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }, settings],
  [
    'downward-api',
    { name: 'v', downwardAPI: { items: [{ path: 'n', fieldRef: { fieldPath: 'metadata.name' } }] } },
  ],
  ['host-path', { name: 'v', hostPath: { path: tmpdir() } }],
];
for (const [name, volume, sources] of EXAMPLES) {
  volumeConformance(name, () => driver(name), { volume, ...(sources && { sources }) });
}

describe('volumes', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(`${tmpdir()}/gantry-volumes-`);
  });
  afterEach(() => rm(root, { recursive: true, force: true }));
  const mount = (volume: Volume, sources = settings, extra: { fsUser?: number } = {}) => {
    const one = volumeDrivers().filter((candidate) => candidate.accepts(volume));
    expect(one).toHaveLength(1);
    return one[0]!.mount({ pod: podWith(volume), volume, directory: `${root}/v`, sources, ...extra });
  };

  it('shows the keys of a ConfigMap through ..data', async () => {
    const { path, readOnly } = await mount({
      name: 'v',
      configMap: { name: 'settings', defaultMode: 0o640 },
    });
    expect(readOnly).toBe(true);
    expect(await readFile(`${path}/a`, 'utf8')).toBe('1');
    expect(await readlink(`${path}/a`)).toBe('..data/a');
    expect((await stat(`${path}/b`)).mode & 0o777).toBe(0o640);
  });

  it('swaps all keys at once and drops those that are gone', async () => {
    const volume: Volume = { name: 'v', configMap: { name: 'c' } };
    const { path } = await mount(volume, sourcesOf({ configMap: () => text({ a: '1', b: '2' }) }));
    const before = await readlink(`${path}/..data`);
    await mount(volume, sourcesOf({ configMap: () => text({ a: 'new' }) }));
    expect(await readFile(`${path}/a`, 'utf8')).toBe('new');
    expect(await readlink(`${path}/..data`)).not.toBe(before);
    await expect(lstat(`${path}/b`)).rejects.toThrow('ENOENT');
    expect((await systemVolumeFiles.list(path)).filter((name) => name.startsWith('..'))).toHaveLength(2);
  });

  it('writes nothing when nothing changed', async () => {
    const volume: Volume = { name: 'v', configMap: { name: 'settings' } };
    const { path } = await mount(volume);
    const before = await lstat(`${path}/..data`);
    await mount(volume);
    expect((await lstat(`${path}/..data`)).ino).toBe(before.ino);
  });

  it('mends a version that a crash left half-written', async () => {
    const volume: Volume = { name: 'v', configMap: { name: 'settings' } };
    const { path } = await mount(volume);
    const version = await readlink(`${path}/..data`);
    await rm(`${path}/..data`);
    await writeFile(`${path}/${version}/junk`, '');
    await mount(volume);
    expect(await systemVolumeFiles.list(`${path}/${version}`)).toEqual(['a', 'b']);
  });

  it('takes only the items it was asked for', async () => {
    const items = [{ key: 'a', path: 'deep/er/file', mode: 0o600 }];
    const { path } = await mount({ name: 'v', configMap: { name: 'settings', items } });
    expect(await readFile(`${path}/deep/er/file`, 'utf8')).toBe('1');
    expect((await stat(`${path}/deep/er/file`)).mode & 0o777).toBe(0o600);
  });

  it('says which ConfigMap, Secret or key is missing, and that it may come', async () => {
    const missing = { name: 'VolumeError', retry: true };
    await expect(mount({ name: 'v', configMap: { name: 'no' } })).rejects.toMatchObject({
      ...missing,
      message: 'configmap "no" not found',
    });
    await expect(mount({ name: 'v', secret: { secretName: 'no' } })).rejects.toMatchObject({
      ...missing,
      message: 'secret "no" not found',
    });
    await expect(
      mount({ name: 'v', configMap: { name: 'settings', items: [{ key: 'z', path: 'z' }] } }),
    ).rejects.toMatchObject({ ...missing, message: 'references non-existent config key: z' });
  });

  it('makes an empty directory of an optional source that is missing', async () => {
    const { path } = await mount({ name: 'v', secret: { secretName: 'no', optional: true } });
    expect((await systemVolumeFiles.list(path)).filter((name) => !name.startsWith('..'))).toEqual([]);
  });

  it.each(['../x', '/x', 'a/../b', '..data'])('refuses the path %s', async (path) => {
    await expect(
      mount({ name: 'v', configMap: { name: 'settings', items: [{ key: 'a', path }] } }),
    ).rejects.toMatchObject({ name: 'VolumeError', retry: false });
  });

  it('projects tokens, ConfigMaps, Secrets and fields into one directory', async () => {
    const { path } = await mount({
      name: 'v',
      projected: {
        sources: [
          { serviceAccountToken: { path: 'token', expirationSeconds: 600, audience: 'vault' } },
          { configMap: { name: 'settings', items: [{ key: 'a', path: 'ca.crt' }] } },
          { secret: { name: 'keys' } },
          { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
        ],
      },
    });
    const read = (name: string) => readFile(`${path}/${name}`, 'utf8');
    expect(await Promise.all(['token', 'ca.crt', 'password', 'namespace'].map(read))).toEqual([
      'token for vault and 600 s',
      '1',
      'hunter2',
      'shop',
    ]);
  });

  it.skipIf(process.getuid?.() !== 0)('gives a token to the one user of the pod (needs root)', async () => {
    const volume: Volume = {
      name: 'v',
      projected: { sources: [{ serviceAccountToken: { path: 'token' } }] },
    };
    const { path } = await mount(volume, settings, { fsUser: 1234 });
    expect(await stat(`${path}/token`)).toMatchObject({ uid: 1234, mode: 0o100600 });
  });

  it('keeps what a pod wrote into its emptyDir', async () => {
    const volume: Volume = { name: 'v', emptyDir: {} };
    const { path } = await mount(volume);
    await writeFile(`${path}/state`, 'kept');
    await mount(volume);
    expect(await readFile(`${path}/state`, 'utf8')).toBe('kept');
    expect((await stat(path)).mode & 0o777).toBe(0o777);
  });

  it('checks and makes host paths', async () => {
    await writeFile(`${root}/file`, '');
    const at = (path: string, type?: string) =>
      mount({ name: 'v', hostPath: { path, ...(type && { type }) } });
    await expect(at(`${root}/file`, 'Directory')).rejects.toThrow('is not a directory');
    await expect(at(`${root}/none`)).rejects.toThrow('does not exist');
    await expect(at(`${root}/new`, 'DirectoryOrCreate')).resolves.toEqual({
      path: `${root}/new`,
      readOnly: false,
    });
    await expect(at(`${root}/made`, 'FileOrCreate')).resolves.toMatchObject({ path: `${root}/made` });
    await expect(at('/tmp/../etc')).rejects.toThrow("without '..'");
  });
});

describe('downward fields', () => {
  const facts = {
    pod: podWith({ name: 'v' }),
    podIPs: ['10.0.0.9'],
    nodeAllocatable: { 'ephemeral-storage': '1Gi' },
  };
  it.each([
    ['metadata.name', 'web'],
    ["metadata.labels['app']", 'web'],
    ["metadata.labels['none']", ''],
    ['metadata.labels', 'app="web"'],
    ['status.podIP', '10.0.0.9'],
    ['spec.containers', undefined],
  ])('%s is %s', (path, value) => {
    expect(fieldValue(path, facts)).toBe(value);
  });

  it.each([
    ['limits.cpu', undefined, '1'],
    ['limits.cpu', '1m', '250'],
    ['limits.memory', '1Mi', '64'],
    ['requests.memory', undefined, '0'],
    ['limits.ephemeral-storage', '1Mi', '1024'],
    ['nonsense', undefined, undefined],
  ])('%s by %s is %s', (resource, divisor, value) => {
    expect(resourceValue({ resource, ...(divisor && { divisor }) }, 'main', facts)).toBe(value);
  });
});
