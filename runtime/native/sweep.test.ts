import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually } from '../conformance.ts';
import { probeCgroups } from './cgroup.ts';
import type { NativeRuntime } from './index.ts';
import { holdings } from './leaks.ts';
import { isAlive, monitorPidOf, nodeOfTest, TestNode, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();
const NOTHING = { monitors: [], cgroups: [], sockets: [], mounts: [] };

describe.skipIf(reason !== undefined)(`sweep (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;

  nodeOfTest((made, opened) => {
    [node, runtime] = [made, opened];
  });

  const state = async (id: string) => (await runtime.list()).find((candidate) => candidate.id === id)!;
  const monitorPid = (id: string) => monitorPidOf(runtime, id);
  const groups = async (id: string) => {
    const { controllers } = await probeCgroups();
    return [...new Set(controllers.values())].map((mount) =>
      join(mount, node.cgroupRoot, 'kubepods/burstable', `pod${id}`),
    );
  };
  const forget = (id: string) => rm(join(node.base, 'state/sandboxes', id), { recursive: true, force: true });

  test('what runs is left alone, also while it is made and removed', async () => {
    const pod = await node.sandbox(runtime, 'pod');
    await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
    const making = Promise.all([0, 1, 2, 3].map((index) => node.sandbox(runtime, `made-${index}`)));
    for (let round = 0; round < 5; round++) expect(await runtime.sweep()).toEqual(NOTHING);
    const made = await making;
    const removing = Promise.all(made.map((id) => runtime.removeSandbox(id)));
    await runtime.sweep();
    await removing;
    expect(await runtime.list()).toMatchObject([
      { id: 'pod', state: 'ready', containers: [{ state: 'running' }] },
    ]);
  });

  test('a monitor without a record is ended by the next agent, with its containers and groups', async () => {
    await runtime.removeSandbox(await node.sandbox(runtime, 'first'));
    await eventually('its monitor ends', async () => (await holdings(node)).processes.length === 0);
    const before = await holdings(node);
    const pod = await node.sandbox(runtime, 'pod', { sharedPid: true });
    const { pid } = await runtime.startContainer(
      pod,
      await node.spec('main.0', 'sleep 600 & exec sleep 601'),
    );
    const monitor = await monitorPid(pod);
    await runtime.close();
    await forget('pod');
    runtime = await node.open();
    await eventually('monitor and container are gone', () => !isAlive(monitor) && !isAlive(pid));
    await eventually('its groups are gone', async () =>
      (await groups('pod')).every((path) => !existsSync(path)),
    );
    expect(await runtime.list()).toEqual([]);
    await eventually(
      'nothing is left',
      async () => JSON.stringify(await holdings(node)) === JSON.stringify(before),
    ).catch(async () => expect(await holdings(node)).toEqual(before));
  });

  test('groups, sockets and mounts of nobody are found and removed', async () => {
    const mine = await groups('ghost');
    const others = mine.map((path) => path.replace(node.cgroupRoot, `${node.cgroupRoot}-other`));
    const socket = join(node.base, 'run', `${'0'.repeat(16)}.sock`);
    const anchor = join(node.base, 'state/anchor');
    try {
      for (const path of [...mine, ...others]) await mkdir(join(path, 'main.0'), { recursive: true });
      await writeFile(socket, '');
      await writeFile(join(node.base, 'run/notes.txt'), '');
      execFileSync('mount', ['-t', 'tmpfs', 'left', anchor]);
      const removed = await runtime.sweep();
      expect(removed).toMatchObject({
        monitors: [],
        cgroups: [{ id: 'ghost', cgroupParent: 'kubepods/burstable' }],
        sockets: [`${'0'.repeat(16)}.sock`],
        mounts: [anchor],
      });
      expect(mine.filter((path) => existsSync(path))).toEqual([]);
      expect(others.every((path) => existsSync(path))).toBe(true);
      expect(existsSync(join(node.base, 'run/notes.txt'))).toBe(true);
      expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(anchor);
      expect(await runtime.sweep()).toEqual(NOTHING);
    } finally {
      for (const path of others) {
        const top = path.slice(0, path.indexOf('/kubepods'));
        for (const part of [
          'kubepods/burstable/podghost/main.0',
          'kubepods/burstable/podghost',
          'kubepods/burstable',
          'kubepods',
          '',
        ])
          execFileSync('rmdir', [join(top, part)]);
      }
    }
  });

  test('a process that only says it is a monitor of ours is left alone', async () => {
    const run = join(node.base, 'run');
    const script = `
      require('node:fs').writeFileSync('/proc/self/comm', 'gantry-monitor');
      process.stdout.write('up');
      setInterval(() => {}, 1000);`;
    await writeFile(join(run, 'index.js'), script);
    const impostor = spawn(process.execPath, [run, '0123456789abcdef.sock'], { argv0: 'gantry-monitor' });
    try {
      await new Promise((resolve) => impostor.stdout.once('data', resolve));
      expect(await readFile(`/proc/${impostor.pid}/cmdline`, 'utf8')).toBe(
        `gantry-monitor\0${run}\x000123456789abcdef.sock\0`,
      );
      expect(await readFile(`/proc/${impostor.pid}/comm`, 'utf8')).toBe('gantry-monitor\n');
      expect((await runtime.sweep()).monitors).toEqual([]);
      expect(isAlive(impostor.pid!)).toBe(true);
    } finally {
      impostor.kill('SIGKILL');
    }
  });

  test('two instances side by side: each removes only what is its own', async () => {
    const other = await TestNode.make();
    let second = await other.open();
    try {
      const mine = await node.sandbox(runtime, 'pod');
      const theirs = await other.sandbox(second, 'pod');
      await second.startContainer(theirs, await other.spec('main.0', 'exec sleep 600'));
      const monitor = await monitorPid(mine);
      // Both lose their agent, and one of them its record.
      await runtime.close();
      await second.close();
      await forget('pod');
      runtime = await node.open();
      await eventually('ours is gone', () => !isAlive(monitor));
      second = await other.open();
      expect(await second.list()).toMatchObject([
        { id: 'pod', state: 'ready', containers: [{ state: 'running' }] },
      ]);
      expect(await runtime.list()).toEqual([]);
    } finally {
      await second.close();
      await other.close();
    }
  });

  test('a record of a newer version is refused and left as it is; its pod runs on', async () => {
    const pod = await node.sandbox(runtime, 'pod');
    const { pid } = await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
    await runtime.close();
    const path = join(node.base, 'state/sandboxes/pod/sandbox.json');
    const record = await readFile(path, 'utf8');
    const newer = JSON.stringify({ ...JSON.parse(record), version: 99, more: true });
    await writeFile(path, newer);
    runtime = await node.open();
    expect(await runtime.list()).toEqual([]);
    const refused = {
      name: 'RuntimeError',
      code: 'Unsupported',
      message: expect.stringContaining('format 99'),
    };
    await expect(node.sandbox(runtime, 'pod')).rejects.toMatchObject(refused);
    await expect(runtime.removeSandbox('pod')).rejects.toMatchObject(refused);
    expect(await runtime.sweep()).toEqual(NOTHING);
    expect(isAlive(pid)).toBe(true);
    expect(await readFile(path, 'utf8')).toBe(newer);
    await node.sandbox(runtime, 'another');
    await runtime.close();
    await writeFile(path, record);
    runtime = await node.open();
    expect((await state('pod')).containers).toMatchObject([{ state: 'running', pid }]);
  });

  test('a state directory of a newer version is refused untouched', async () => {
    await runtime.close();
    const path = join(node.base, 'state/version');
    const own = await readFile(path, 'utf8');
    await writeFile(path, '7');
    await expect(node.open()).rejects.toMatchObject({ code: 'Unsupported' });
    expect(await readFile(path, 'utf8')).toBe('7');
    await writeFile(path, own);
    runtime = await node.open();
  });

  test.each([
    ['cut off', '{"version":1,"spe'],
    ['empty', ''],
    ['nothing', 'null'],
    ['another thing', '[1,2]'],
    ['older than all', '{"version":0}'],
    ['of another pod', '{"version":1,"spec":{"id":"other"},"socket":"a.sock"}'],
    ['leading elsewhere', '{"version":1,"spec":{"id":"pod"},"socket":"../../x"}'],
  ])('a damaged record (%s): its pod is taken down, the others run on', async (_, text) => {
    const pod = await node.sandbox(runtime, 'pod');
    const { pid } = await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600'));
    await node.sandbox(runtime, 'other');
    const monitor = await monitorPid(pod);
    await runtime.close();
    await writeFile(join(node.base, 'state/sandboxes/pod/sandbox.json'), text);
    runtime = await node.open();
    expect(await runtime.list()).toMatchObject([{ id: 'other', state: 'ready' }]);
    await eventually('it is gone', () => !isAlive(pid) && !isAlive(monitor));
    expect((await groups('pod')).filter((path) => existsSync(path))).toEqual([]);
    await node.sandbox(runtime, 'pod');
  });
});
