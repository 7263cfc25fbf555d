import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '#api/objects.ts';
import { RECIPES } from '#hack/images/recipes.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { HostRegistry } from '../harness/registry.ts';
import { eventually } from '../harness/run.ts';

/** Images from a real registry, by the OCI distribution protocol. */
describe.skipIf(whyNoHost())('registry', () => {
  const cluster = new TestCluster();
  const registry = new HostRegistry(cluster.host);
  const hello = RECIPES.find(({ name }) => name === 'gantry/hello:1')!;
  let digest: string;

  beforeAll(async () => {
    await cluster.start();
    await registry.start();
    digest = await registry.push(hello, 'demo/hello', 'v1');
  });
  afterAll(async () => {
    await registry.stop();
    expect(await cluster.destroy()).toEqual([]);
  });

  const run = (name: string, image: string) =>
    cluster.must(['run', name, `--image=${image}`, '--restart=Never']);
  const statusOf = async (name: string) =>
    (await cluster.json<Pod>(['get', 'pod', name])).status?.containerStatuses?.[0];

  test('a pod runs an image that was pulled, and names its digest', async () => {
    await run('pulled', `${registry.address}/demo/hello:v1`);
    await cluster.must(['wait', '--for=condition=Ready', 'pod/pulled', '--timeout=30s']);
    expect((await statusOf('pulled'))?.imageID).toContain(digest);
    const events = await cluster.must([
      'get',
      'events',
      '--field-selector',
      'involvedObject.name=pulled',
      '-o',
      'jsonpath={.items[*].reason}',
    ]);
    expect(events.split(' ')).toEqual(
      expect.arrayContaining(['Scheduled', 'Pulling', 'Pulled', 'Created', 'Started']),
    );
  });

  test('a pod runs an image by digest', async () => {
    await run('by-digest', `${registry.address}/demo/hello@${digest}`);
    await cluster.must(['wait', '--for=condition=Ready', 'pod/by-digest', '--timeout=30s']);
  });

  test('layers are shared: the second image fetches and unpacks only what is new', async () => {
    const before = (await cluster.inside('sh', ['-c', `ls ${cluster.directory}/agent/images/layers | wc -l`]))
      .stdout;
    await registry.push(RECIPES.find(({ name }) => name === 'gantry/hello:2')!, 'demo/hello', 'v2');
    await run('second', `${registry.address}/demo/hello:v2`);
    await cluster.must(['wait', '--for=condition=Ready', 'pod/second', '--timeout=30s']);
    const after = (await cluster.inside('sh', ['-c', `ls ${cluster.directory}/agent/images/layers | wc -l`]))
      .stdout;
    expect(Number(after) - Number(before)).toBe(1);
  });

  test('an image that does not exist is refused in the words of the registry, and tried again later', async () => {
    await run('missing', `${registry.address}/demo/nothing:v1`);
    const first = await eventually('it is refused', async () => {
      const waiting = (await statusOf('missing'))?.state?.waiting;
      return waiting?.reason === 'ErrImagePull' || waiting?.reason === 'ImagePullBackOff'
        ? waiting
        : undefined;
    });
    await eventually('it backs off', async () =>
      (await statusOf('missing'))?.state?.waiting?.reason === 'ImagePullBackOff' ? true : undefined,
    );
    const events = await cluster.must([
      'get',
      'events',
      '--field-selector',
      'involvedObject.name=missing',
      '-o',
      'jsonpath={.items[*].message}',
    ]);
    expect(`${first.message} ${events}`).toMatch(/manifest unknown|MANIFEST_UNKNOWN|NAME_UNKNOWN/);
  });

  test('a name that cannot be a name is InvalidImageName', async () => {
    // kubectl run would refuse it itself.
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'invalid' },
      spec: { containers: [{ name: 'c', image: 'Not/A/Name' }] },
    };
    await cluster.must(['create', '-f', '-'], { input: JSON.stringify(pod) });
    await eventually('it is refused', async () =>
      (await statusOf('invalid'))?.state?.waiting?.reason === 'InvalidImageName' ? true : undefined,
    );
  });
});
