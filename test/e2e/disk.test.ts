import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ERRNO, FaultyDisk } from '#store/sqlite/testing/faulty-disk.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { TestPods } from '../harness/pods.ts';
import { eventually } from '../harness/run.ts';

const MISSING =
  whyNoHost() ?? (process.env['GANTRY_E2E_STORE'] ? 'is about the files of the embedded store' : undefined);

/** The disk of the store fails under a cluster that runs. */
describe.skipIf(MISSING)(`a failing disk${MISSING ? ` (${MISSING})` : ''}`, () => {
  const cluster = new TestCluster();
  let workspace: string;
  let disk: FaultyDisk;
  const pods = new TestPods(cluster);
  const configMap = (name: string) => cluster.kubectl(['create', 'configmap', name]);

  beforeAll(async () => {
    workspace = mkdtempSync(join(tmpdir(), 'gantry-disk-'));
    disk = new FaultyDisk(join(cluster.directory, 'store'), workspace);
    cluster.env = disk.env;
    await cluster.start();
    await cluster.loadImages(['gantry/busybox:1']);
    await pods.run('web', { containers: [pods.container('exec sleep 1000')] });
  });
  afterAll(async () => {
    const left = await cluster.destroy();
    disk.close();
    rmSync(workspace, { recursive: true, force: true });
    expect(left).toEqual([]);
  });

  test('a full disk refuses writes and says why; reads go on, and writes when there is room', async () => {
    disk.set('writeErrno', ERRNO.ENOSPC);
    await eventually('a write is refused', async () => (await configMap('full')).code !== 0 || undefined);
    const { stdout, stderr } = await cluster.kubectl(['get', '--raw', '/readyz?verbose']);
    expect(stdout + stderr).toMatch(/\[-\]store-writes failed: the store cannot write: .*full/);
    expect((await pods.get('web')).status?.phase).toBe('Running');
    disk.set('writeErrno', 0);
    await eventually('writes are taken', async () => (await configMap('room')).code === 0 || undefined);
    await cluster.must(['get', '--raw', '/readyz']);
  });

  test('a sync that fails ends the server; it starts again with what is on the disk, and pods run on', async () => {
    await cluster.must(['create', 'configmap', 'before']);
    const container = (await pods.get('web')).status?.containerStatuses?.[0]?.containerID;
    const [server] = cluster.pids('server');
    disk.set('syncErrno', ERRNO.EIO);
    await eventually('the server ends', async () => {
      await configMap('lost');
      return !cluster.pids('server').includes(server!) || undefined;
    });
    disk.set('syncErrno', 0);
    await eventually('another serves', async () =>
      (await cluster.kubectl(['get', 'configmap', 'before'])).code === 0 ? true : undefined,
    );
    await cluster.must(['create', 'configmap', 'after']);
    expect((await pods.get('web')).status?.containerStatuses?.[0]).toMatchObject({
      containerID: container,
      restartCount: 0,
    });
    expect(await pods.sh('web', 'echo alive')).toBe('alive');
  });
});
