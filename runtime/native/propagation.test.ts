import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ContainerSpec, Mount } from '../contract.ts';
import { CAPABILITIES } from './capabilities.ts';
import type { NativeRuntime } from './index.ts';
import { checkPropagation } from './propagation.ts';
import { TestNode, whyNoOci, whyNoRoot } from './test-root.ts';

const MOUNTINFO = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw
23 22 8:2 / /data rw,relatime master:4 - ext4 /dev/sdb rw
24 22 8:3 / /data/with\\040space rw,relatime - ext4 /dev/sdc rw
25 22 8:4 / /private rw,relatime - ext4 /dev/sdd rw`;

describe('what the node cannot propagate', () => {
  const bind = (source: string, option: string): Mount => {
    return { type: 'bind', source, target: '/v', options: ['rbind', option] };
  };
  const refused: [string, string, string][] = [
    [
      '/private/x',
      'rslave',
      'path "/private/x" is mounted on "/private" but it is not a shared or slave mount',
    ],
    ['/data', 'rshared', 'path "/data" is mounted on "/data" but it is not a shared mount'],
    ['/data/with space/x', 'rslave', '"/data/with space" but it is not a shared or slave mount'],
  ];
  test.each(refused)('%s as %s is refused', async (source, option, message) => {
    const check = checkPropagation([bind(source, option)], MOUNTINFO);
    await expect(check).rejects.toMatchObject({
      code: 'Unsupported',
      message: expect.stringContaining(message),
    });
  });
  const fine: [string, string][] = [
    ['/etc', 'rshared'],
    ['/database', 'rslave'],
    ['/data/x', 'rslave'],
    ['/private', 'ro'],
  ];
  test.each(fine)('%s as %s is not', async (source, option) => {
    await checkPropagation([bind(source, option)], MOUNTINFO);
  });
});

const reason = whyNoRoot();

describe.skipIf(reason !== undefined)(`propagation (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;
  let shared: string;
  let count = 0;
  let pod: string;

  beforeAll(async () => {
    node = await TestNode.make();
    node.handlerPath = process.env['PATH'];
    runtime = await node.open();
  });
  beforeEach(async () => {
    shared = join(node.base, `shared-${count}`);
    await mkdir(join(shared, 'later'), { recursive: true });
    execFileSync('mount', ['--bind', shared, shared]);
    execFileSync('mount', ['--make-shared', shared]);
    pod = await node.sandbox(runtime, `pod-${count++}`);
  });
  afterEach(async () => {
    await runtime.removeSandbox(pod);
    execFileSync('umount', ['--recursive', shared]);
  });
  afterAll(async () => {
    await node.close();
  });

  const start = async (options: string[], change: Partial<ContainerSpec> = {}) => {
    const mounts: Mount[] = [{ type: 'bind', source: shared, target: '/v', options: ['rbind', ...options] }];
    await runtime.startContainer(pod, await node.spec('main.0', 'exec sleep 600', { mounts, ...change }));
  };
  const inside = async (script: string) => {
    const args = ['sh', '-c', script];
    const streams = await runtime.exec(pod, 'main.0', { args, tty: false, stdin: false });
    return (await text(streams.stdout)).trim();
  };
  const mountOnNode = async (name = 'later') => {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(shared, name)]);
    await writeFile(join(shared, name, 'file'), 'mounted later');
  };
  const nodeMounts = () => readFile('/proc/self/mountinfo', 'utf8');
  const privileged = {
    capabilities: [...CAPABILITIES],
    seccomp: undefined,
    maskedPaths: [],
    readOnlyPaths: [],
  };

  const handlers = whyNoOci() ? [''] : ['', 'runc', 'crun'];
  const by = async (handler: string) => {
    if (handler) pod = await node.sandbox(runtime, `${pod}-${handler}`, { handler });
  };

  test.each(handlers)('None: what either side mounts later stays with it %s', async (handler) => {
    await by(handler);
    await start([], privileged);
    await mountOnNode();
    expect(await inside('ls /v/later')).toBe('');
    await inside('mkdir -p /v/mine && mount -t tmpfs inner /v/mine');
    expect(await nodeMounts()).not.toContain(join(shared, 'mine'));
  });

  test.each(handlers)(
    'HostToContainer: what the node mounts later is seen, not the reverse %s',
    async (handler) => {
      await by(handler);
      await start(['rslave'], privileged);
      await mountOnNode();
      expect(await inside('cat /v/later/file')).toBe('mounted later');
      expect(await inside('mkdir -p /v/mine && mount -t tmpfs inner /v/mine && echo mounted')).toBe(
        'mounted',
      );
      expect(await nodeMounts()).not.toContain(join(shared, 'mine'));
      execFileSync('umount', [join(shared, 'later')]);
      expect(await inside('ls /v/later')).toBe('');
    },
  );

  test('Bidirectional: both sides see it, and it stays when the container has gone', async () => {
    await start(['rshared'], privileged);
    await mountOnNode();
    expect(await inside('cat /v/later/file')).toBe('mounted later');
    const script =
      'mkdir -p /v/mine && mount -t tmpfs inner /v/mine && echo hello > /v/mine/file && echo done';
    expect(await inside(script)).toBe('done');
    expect(await readFile(join(shared, 'mine/file'), 'utf8')).toBe('hello\n');
    await runtime.stopContainer(pod, 'main.0', 0);
    await runtime.removeContainer(pod, 'main.0');
    expect(await readFile(join(shared, 'mine/file'), 'utf8')).toBe('hello\n');
  });

  test('nothing else of a Bidirectional container reaches the node', async () => {
    await start(['rshared'], privileged);
    await inside('mount -t tmpfs elsewhere /tmp');
    const mounts = await nodeMounts();
    expect(mounts).not.toContain('elsewhere');
    expect(mounts).not.toContain(`${node.base}/state`);
  });

  test('a mount that is not shared is refused, and nothing of the container is left', async () => {
    execFileSync('mount', ['--make-private', shared]);
    await expect(start(['rshared'])).rejects.toMatchObject({
      code: 'Unsupported',
      step: 'mount propagation',
    });
    const state = (await runtime.list()).find((candidate) => candidate.id === pod);
    expect(state!.containers).toEqual([]);
  });

  test('ro is of the top mount alone, rro of all below', async () => {
    await mountOnNode();
    const script = 'touch /v/x 2>/dev/null && echo top; touch /v/later/x 2>/dev/null && echo below; true';
    const run = async (options: string[]) => {
      const mounts: Mount[] = [
        { type: 'bind', source: shared, target: '/v', options: ['rbind', ...options] },
      ];
      return (await node.run(runtime, pod, script, { mounts })).output;
    };
    expect(await run(['rw'])).toBe('top\nbelow');
    expect(await run(['ro'])).toBe('below');
    expect(await run(['ro', 'rro'])).toBe('');
  });
});
