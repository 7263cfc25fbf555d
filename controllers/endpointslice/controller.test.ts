import { expect, it } from 'vitest';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { EndpointsKind } from '#api/kinds/endpoints.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ServiceKind } from '#api/kinds/service.ts';
import type { FakeCluster } from '#client/fake/fake-cluster.ts';
import { failEveryStepOnce, inLab, type Scene } from '../framework/lab.ts';
import { fresh, pod, runPods } from '../framework/worlds.ts';
import { endpointSliceController, endpointsController } from './controller.ts';

const web = { namespace: 'default', name: 'web' };

const scene: Scene = {
  roster: [endpointSliceController, endpointsController],
  async arrange(cluster) {
    await cluster.client.create(ServiceKind, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: web,
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
    });
    for (const name of ['a', 'b']) await cluster.client.create(PodKind, fresh(pod(name, { app: 'web' })));
  },
  world: (cluster) => runPods(cluster),
};

function converged(cluster: FakeCluster): void {
  const ready = cluster.all(PodKind).map(({ status }) => status?.podIP);
  const slices = cluster.all(EndpointSliceKind);
  const found = slices
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready);
  expect(found.flatMap(({ addresses }) => addresses).sort()).toEqual(ready.sort());
  const subsets = cluster.get(EndpointsKind, web)?.subsets ?? [];
  expect(
    subsets
      .flatMap(({ addresses }) => addresses ?? [])
      .map(({ ip }) => ip)
      .sort(),
  ).toEqual(ready.sort());
}

it('endpoints follow the pods whichever step fails', async () => {
  expect(await failEveryStepOnce(scene, converged)).toBeGreaterThan(4);
});

it('endpoints lose a pod that is deleted or no longer selected, and go with the Service', () =>
  inLab(scene, async ({ cluster, settle }) => {
    cluster.change(PodKind, { namespace: 'default', name: 'a' }, (one) => {
      one.metadata.labels = { app: 'debug' };
    });
    await settle(2000);
    const ips = cluster.all(EndpointSliceKind).flatMap(({ endpoints }) => endpoints ?? []);
    expect(ips.map(({ targetRef }) => targetRef?.name)).toEqual(['b']);
    await cluster.client.delete(ServiceKind, web);
    await settle(2000);
    expect(cluster.all(EndpointsKind)).toEqual([]);
  }));
