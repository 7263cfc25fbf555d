import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { eventually, mustRun, run } from '../harness/run.ts';
import { Web } from '../harness/web.ts';

const PASSWORD = 'correct-horse-battery-staple';
/** Snapshots that the server makes by itself. */
const EVERY = ['--snapshot-every', '2s', '--snapshot-keep', '2'];
const ENCODED = Buffer.from(PASSWORD).toString('base64');

/** A cluster goes back to what it was, with its encrypted Secrets; no client is told a resourceVersion twice. */
describe.skipIf(whyNoHost())('backup, restore and encryption at rest', () => {
  const cluster = new TestCluster();
  const web = new Web(cluster);
  const file = `${cluster.directory}.backup`;

  beforeAll(async () => {
    await cluster.start(EVERY);
    await web.deploy();
    await cluster.must(['create', 'secret', 'generic', 'door', `--from-literal=password=${PASSWORD}`]);
  });
  afterAll(async () => {
    rmSync(file, { force: true });
    expect(await cluster.destroy()).toEqual([]);
  });

  const password = async () =>
    (await cluster.must(['get', 'secret', 'door', '-o', 'jsonpath={.data.password}'])).trim();
  // kubectl's own lists leave it out.
  const version = async () =>
    Number(JSON.parse(await cluster.must(['get', '--raw', '/api/v1/namespaces'])).metadata.resourceVersion);
  const onDisk = () => {
    const store = join(cluster.directory, 'store');
    const places = [...readdirSync(store).map((name) => join(store, name)), file];
    return places.filter((path) => readFileSync(path).includes(ENCODED));
  };

  test('a backup of the running server holds no plaintext of a Secret, nor does the disk', async () => {
    const { entries } = JSON.parse(await cluster.gantry(['backup', file, '-o', 'json']));
    expect(entries).toBeGreaterThan(40);
    expect(await cluster.gantry(['restore', file, '--verify'])).toContain(`is whole: ${entries} entries`);
    expect(onDisk()).toEqual([]);
  });

  test('the server makes snapshots by itself, and goes on when there is no room for them', async () => {
    const directory = join(cluster.directory, 'snapshots');
    const metrics = async () => await cluster.must(['get', '--raw', '/metrics']);
    const count = async (result: string) =>
      Number(new RegExp(`gantry_snapshots_total{result="${result}"} (\\d+)`).exec(await metrics())?.[1]);
    const list = async (): Promise<{ file: string; kind: string }[]> =>
      JSON.parse(await cluster.gantry(['snapshot', 'ls', '-o', 'json']));
    await eventually('three are made', async () => ((await count('success')) >= 3 ? true : undefined));
    await cluster.gantry(['snapshot', 'save', 'by-hand']);
    const kinds = (await list()).map(({ kind }) => kind).sort();
    expect(kinds.at(0)).toBe('saved');
    // One that is made meanwhile is there before the oldest goes.
    expect(kinds.filter((kind) => kind === 'scheduled').length).toBeLessThanOrEqual(3);
    const saved = (await list()).find(({ kind }) => kind === 'saved')!.file;
    expect(await cluster.gantry(['restore', saved, '--verify'])).toContain('is whole');
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', directory]);
    try {
      await eventually('one fails', async () => ((await count('error')) >= 1 ? true : undefined));
      await cluster.must(['get', '--raw', '/readyz']);
      const events = ['get', 'events', '--field-selector', 'reason=SnapshotFailed', '-o', 'name'];
      await eventually('it is told', async () => ((await cluster.must(events)).trim() ? true : undefined));
      expect(cluster.log).toContain('has no room for the backup');
    } finally {
      await eventually('nobody writes there', async () =>
        (await run('umount', [directory])).code === 0 ? true : undefined,
      );
    }
    const before = await count('success');
    await eventually('they are made again', async () =>
      (await count('success')) > before ? true : undefined,
    );
    await cluster.gantry(['snapshot', 'rm', saved]);
    expect((await list()).map(({ file: left }) => left)).not.toContain(saved);
  });

  test('after changes, a stop and a restore the state is back, pods run, and old watches are told to list anew', async () => {
    await cluster.must(['delete', 'secret', 'door']);
    await cluster.must(['create', 'namespace', 'later']);
    const seen = await version();
    await expect(cluster.gantry(['restore', file, '--force'])).rejects.toThrow('stop it first');
    await cluster.stop();
    await expect(cluster.gantry(['restore', file])).rejects.toThrow('not empty');
    await cluster.gantry(['restore', file, '--force']);
    await cluster.up(EVERY);
    expect(await password()).toBe(ENCODED);
    expect((await cluster.kubectl(['get', 'namespace', 'later'])).code).not.toBe(0);
    expect(await version()).toBeGreaterThan(seen);
    const watch = ['get', '--raw', `/api/v1/namespaces?watch=true&timeoutSeconds=1&resourceVersion=${seen}`];
    expect((await cluster.must(watch)).trim()).toMatch(/"code":410/);
    await web.allReady();
    await eventually('the Service answers', () => web.answers());
  });

  test('rotated keys: the Secret is as it was, also after a restart', async () => {
    const { rewritten, droppedDataKeys } = JSON.parse(
      await cluster.gantry(['secrets', 'rotate', '-o', 'json']),
    );
    expect(rewritten).toBeGreaterThan(0);
    expect(droppedDataKeys).toHaveLength(1);
    expect(await password()).toBe(ENCODED);
    await cluster.stop();
    await cluster.up();
    expect(await password()).toBe(ENCODED);
  });
});
