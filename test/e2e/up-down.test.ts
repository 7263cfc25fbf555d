import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster, tracesOf } from '../harness/cluster.ts';
import { TestHost, whyNoHost } from '../harness/host.ts';
import { run } from '../harness/run.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

/** The README's two commands, as a new user types them. */
describe.skipIf(whyNoHost())('hack/up and hack/down', () => {
  const host = new TestHost();
  const directory = mkdtempSync(join(tmpdir(), 'gantry-up-'));
  const hack = (name: string, ...args: string[]) => {
    const [command, all] = host.inside(join(ROOT, 'hack', name), [...args, '--data-dir', directory]);
    return run(command, all, { cwd: ROOT, timeoutMs: 240_000 });
  };

  beforeAll(() => host.create());
  afterAll(async () => {
    await hack('down', '--purge');
    await host.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  test('up says at once why gantry up ended', async () => {
    const { code, stderr } = await hack('up', '--no-demo', '--pod-cidr=nonsense');
    expect(code).toBe(1);
    expect(stderr).toContain('gantry up ended before');
    expect(stderr).toContain('nonsense');
  });

  test('up shows a running demo, and says what to do next', async () => {
    const { code, stdout, stderr } = await hack('up');
    expect(`${code} ${stderr}`).toMatch(/^0 /);
    expect(stdout).toContain('node is ready');
    expect(stdout).toMatch(/by cluster IP: {2}Hello from hello-/);
    expect(stdout).toMatch(/by DNS name: {4}Hello from hello-/);
    expect(stdout).toContain(`export KUBECONFIG=${directory}/admin.kubeconfig`);
  });

  test('up again is quick and harmless', async () => {
    const started = Date.now();
    const { code, stdout } = await hack('up');
    expect(code).toBe(0);
    expect(stdout).toContain('by DNS name');
    console.log(`second hack/up: ${Date.now() - started} ms`);
  });

  test('down stops, up finds everything again', async () => {
    expect((await hack('down')).code).toBe(0);
    expect((await hack('up')).code).toBe(0);
  });

  test('down --purge leaves nothing', async () => {
    const { code, stderr } = await hack('down', '--purge');
    expect(`${code} ${stderr}`).toMatch(/^0 /);
    expect(tracesOf(directory)).toEqual([]);
    expect(await host.traces()).toEqual([]);
    // Pods' monitors, and anything else that was started in the host's network.
    expect((await run('ip', ['netns', 'pids', host.name])).stdout.trim()).toBe('');
  });
});

/** A test of the test: what the leak check of every e2e suite would miss, it would never tell. */
describe.skipIf(whyNoHost())('the leak check', () => {
  test('finds a planted cgroup and directory', () => {
    const cluster = new TestCluster();
    const hierarchy = existsSync('/sys/fs/cgroup/pids') ? '/sys/fs/cgroup/pids' : '/sys/fs/cgroup';
    const planted = join(hierarchy, `gantry-${cluster.instance}`);
    mkdirSync(planted);
    try {
      expect(cluster.traces()).toEqual([`cgroup ${planted}`, `directory ${cluster.directory}`]);
    } finally {
      rmdirSync(planted);
      rmSync(cluster.directory, { recursive: true, force: true });
    }
    expect(cluster.traces()).toEqual([]);
  });
});
