import {
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Node, Pod } from '#api/objects.ts';
import { dockerArchive } from '#hack/images/archive.ts';
import { helloWithNoise } from '#hack/images/recipes.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { Lab } from '../harness/lab.ts';
import { TestMachine } from '../harness/machine.ts';
import { pidsOf } from '../harness/roles.ts';
import { eventually, mustRun } from '../harness/run.ts';

const MB = 1024 * 1024;

/** Three machines without a registry, and without a way out: an image that one of them has is to be had on all. */
describe.skipIf(whyNoHost())('images without a registry', () => {
  const lab = new Lab({ hosts: 3 });
  const cluster = new TestCluster(lab.hosts[0]!);
  const second = new TestMachine(lab.hosts[1]!, 'node-2');
  const third = new TestMachine(lab.hosts[2]!, 'node-3');
  const nodes = ['node-1', 'node-2', 'node-3'];
  const archives = mkdtempSync(join(tmpdir(), 'gantry-archives-'));

  beforeAll(async () => {
    await lab.create();
    await cluster.up();
    for (const machine of [second, third]) {
      const { command } = JSON.parse(await cluster.gantry(['token', 'create', '-o', 'json']));
      machine.start(command);
    }
    await eventually('all have joined', async () => {
      const { items } = await cluster.json<{ items: Node[] }>(['get', 'nodes']);
      return items.length === nodes.length || undefined;
    });
    await cluster.must(['wait', '--for=condition=Ready', 'node', '--all', '--timeout=30s']);
  });
  afterAll(async () => {
    const left: string[] = [];
    for (const machine of [second, third]) left.push(...(await machine.destroy()));
    left.push(...(await cluster.destroy()));
    await lab.remove();
    rmSync(archives, { recursive: true, force: true });
    expect(left).toEqual([]);
  });

  async function archive(name: string, layers = 0, bytes = 0): Promise<string> {
    const file = join(archives, `${name.replace(/[/:]/g, '-')}.tar`);
    writeFileSync(file, await dockerArchive(helloWithNoise(name, layers, bytes)));
    return file;
  }
  const tail = (log: string) => log.split('\n').slice(-20).join('\n');
  const load = async (file: string, ...flags: string[]) => {
    const args = ['image', 'load', file, '-o', 'json', '--timeout', '30s', ...flags];
    try {
      return JSON.parse(await cluster.gantry(args, { timeoutMs: 60_000 }));
    } catch (error) {
      throw new Error([String(error), ...[cluster, second, third].map(({ log }) => tail(log))].join('\n'));
    }
  };
  /** A pod on that node; the message of the event that its image was pulled. */
  async function runOn(node: string, pod: string, image: string): Promise<string> {
    const overrides = JSON.stringify({ spec: { nodeName: node } });
    await cluster.must(['run', pod, `--image=${image}`, '--restart=Never', `--overrides=${overrides}`]);
    await cluster.must(['wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=60s']);
    return await eventually('its events tell', async () => {
      const selector = `involvedObject.name=${pod},reason=Pulled`;
      const args = ['get', 'events', '--field-selector', selector, '-o', 'jsonpath={.items[*].message}'];
      return (await cluster.must(args)) || undefined;
    });
  }
  const sent = async (node: string) => {
    const text = await cluster.must(['get', '--raw', `/api/v1/nodes/${node}/proxy/metrics`]);
    return Number(/^gantry_image_sent_bytes_total\S* (\d+)$/m.exec(text)?.[1]);
  };
  const blobsOf = (directory: string) => join(directory, 'agent/images/content/blobs/sha256');

  test('loaded on one, it starts on all as pods want it', async () => {
    const file = await archive('demo/lazy:1');
    const loaded = await load(file, '--lazy');
    expect(loaded.spread).toEqual([
      { name: 'docker.io/demo/lazy:1', have: ['node-1'], missing: [], away: [] },
    ]);
    const anti = {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { app: 'lazy' } }, topologyKey: 'kubernetes.io/hostname' },
      ],
    };
    const template = {
      metadata: { labels: { app: 'lazy' } },
      spec: { affinity: { podAntiAffinity: anti }, containers: [{ name: 'web', image: 'demo/lazy:1' }] },
    };
    const deployment = {
      ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'lazy' } },
      spec: { replicas: 3, selector: { matchLabels: { app: 'lazy' } }, template },
    };
    await cluster.must(['apply', '-f', '-'], { input: JSON.stringify(deployment) });
    await cluster.must(['rollout', 'status', 'deployment/lazy', '--timeout=60s']);
    const { items } = await cluster.json<{ items: Pod[] }>(['get', 'pods', '-l', 'app=lazy']);
    expect(items.map(({ spec }) => spec!.nodeName).sort()).toEqual(nodes);
    const ids = new Set(items.map(({ status }) => status!.containerStatuses![0]!.imageID));
    expect([...ids]).toEqual([expect.stringMatching(/^docker\.io\/demo\/lazy@sha256:[0-9a-f]{64}$/)]);
    const events = await cluster.must(['get', 'events', '-o', 'jsonpath={.items[*].message}']);
    expect(events).toMatch(/Successfully pulled image "demo\/lazy:1" .* From node node-\d/);
    await eventually('every node says that it has it', async () => {
      const all = await cluster.json<{ items: Node[] }>(['get', 'nodes']);
      const have = all.items.filter(({ status }) =>
        status?.images?.some(({ names }) => names?.includes('docker.io/demo/lazy:1')),
      );
      return have.length === 3 || undefined;
    });
  });

  test('a large one is spread to all at once', async () => {
    const file = await archive('demo/large:1', 4, 25 * MB);
    const copies = nodes.map((node) => join(archives, node));
    const floorSince = performance.now();
    await mustRun('sh', ['-c', `for to in ${copies.join(' ')}; do cp ${file} $to && sync $to & done; wait`]);
    const floorMs = performance.now() - floorSince;
    for (const copy of copies) rmSync(copy);
    const since = performance.now();
    const { spread } = await load(file);
    const tookMs = performance.now() - since;
    expect(spread[0].have.sort()).toEqual(nodes);
    const seconds = (ms: number) => (ms / 1000).toFixed(1);
    console.log(`      100 MB on 3 nodes in ${seconds(tookMs)} s; three plain copies: ${seconds(floorMs)} s`);
    const listed = await cluster.gantry(['image', 'ls', '--cluster']);
    expect(listed).toMatch(/^demo\/large:1 .* 3\/3$/m);
    // Nobody has to fetch it any more.
    expect(await runOn('node-3', 'large', 'demo/large:1')).toContain('already present');
  });

  test('what was changed on a peer’s disk is refused, and fetched of another', async () => {
    const file = await archive('demo/tampered:1', 12, 10_000);
    const before = new Set(readdirSync(blobsOf(second.directory)));
    await load(file, '--nodes', 'node-1,node-2');
    const added = readdirSync(blobsOf(second.directory)).filter((name) => !before.has(name));
    for (const name of added) {
      const path = join(blobsOf(second.directory), name);
      // Manifest and config are smaller than any layer.
      if (statSync(path).size > 10_000) writeSync(openSync(path, 'r+'), 'tampered', 2000);
    }
    expect(await runOn('node-3', 'tampered', 'demo/tampered:1')).toMatch(/From node node-/);
    expect(third.log).toMatch(/Another node gave something else than was asked of it.*node=node-2/);
    for (const name of added) {
      const [here, there] = [cluster.directory, third.directory].map((root) => join(blobsOf(root), name));
      expect(readFileSync(there!).equals(readFileSync(here!)), name).toBe(true);
    }
  });

  test('of a peer whose agent dies meanwhile, another one takes over', async () => {
    const file = await archive('demo/dying:1', 4, 25 * MB);
    await load(file, '--nodes', 'node-1,node-2');
    // Slow enough that somebody can die meanwhile.
    for (const host of lab.hosts.slice(0, 2))
      await lab.fault(host, lab.hosts[2], { kind: 'delay', delayMs: 250, jitterMs: 0 });
    const before = { 'node-1': await sent('node-1'), 'node-2': await sent('node-2') };
    const message = runOn('node-3', 'dying', 'demo/dying:1');
    const victim = await eventually('one gives some of it', async () => {
      for (const node of ['node-1', 'node-2'] as const)
        if ((await sent(node)) > before[node] + MB / 4) return node;
      return undefined;
    });
    for (const pid of victim === 'node-1' ? cluster.pids('agent') : pidsOf(second.directory, 'agent'))
      process.kill(pid, 'SIGKILL');
    for (const host of lab.hosts.slice(0, 2)) await lab.heal(host, lab.hosts[2]);
    expect(await message).toMatch(/From node node-/);
    expect(third.log).toMatch(new RegExp(`Another node does not give parts of images.*node=${victim}`));
  });

  test('what is taken away is gone from this node and the cluster; what a pod uses here is not', async () => {
    await cluster.gantry(['image', 'rm', 'demo/large:1']);
    await expect(cluster.gantry(['image', 'rm', 'demo/lazy:1'])).rejects.toThrow(/used by a container/);
    const names = JSON.parse(await cluster.gantry(['image', 'ls', '--cluster', '-o', 'json']));
    const left = names.map(({ name }: { name: string }) => name);
    expect(left).toContain('docker.io/demo/lazy:1');
    expect(left).not.toContain('docker.io/demo/large:1');
    expect(await cluster.gantry(['image', 'ls'])).not.toContain('demo/large:1');
  });
});
