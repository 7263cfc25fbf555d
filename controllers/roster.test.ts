import { describe, expect, it } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { EndpointsKind } from '#api/kinds/endpoints.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ReplicaSetKind } from '#api/kinds/replica-set.ts';
import { ServiceKind } from '#api/kinds/service.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import type { Service } from '#api/objects.ts';
import type { FakeCluster } from '#client/fake/fake-cluster.ts';
import { graph } from './framework/graph.ts';
import { inLab, type Scene } from './framework/lab.ts';
import { deployment, fresh, makeNamespace, runPods } from './framework/worlds.ts';
import { roster } from './index.ts';

const ALL = roster({ clusterCa: 'PEM', clusterCidrs: ['10.244.0.0/16'], serverVersion: '1.0.0' });

const service: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { app: 'web' }, clusterIP: '10.96.0.9', ports: [{ port: 80, targetPort: 8080 }] },
};

const scene: Scene = {
  roster: ALL,
  async arrange(cluster) {
    await makeNamespace(cluster);
    await cluster.client.create(NodeKind, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'node-1' },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    });
    await cluster.client.create(DeploymentKind, fresh(deployment('web', 3)));
    await cluster.client.create(ServiceKind, service);
  },
  world: runPods,
};

const count = (cluster: FakeCluster) => ({
  deployments: cluster.all(DeploymentKind).length,
  sets: cluster.all(ReplicaSetKind).length,
  pods: cluster.all(PodKind).length,
});

describe('all controllers together', () => {
  it('make of YAML what a cluster is', () =>
    inLab(scene, ({ cluster, log }) => {
      expect(count(cluster)).toEqual({ deployments: 1, sets: 1, pods: 3 });
      expect(cluster.all(EndpointSliceKind)[0]?.endpoints).toHaveLength(3);
      expect(cluster.all(EndpointsKind)[0]?.subsets?.[0]?.addresses).toHaveLength(3);
      expect(cluster.get(ServiceAccountKind, { namespace: 'default', name: 'default' })).toBeDefined();
      expect(cluster.get(ConfigMapKind, { namespace: 'default', name: 'kube-root-ca.crt' })?.data).toEqual({
        'ca.crt': 'PEM',
      });
      expect(cluster.get(NodeKind, { name: 'node-1' })?.spec?.podCIDR).toBe('10.244.0.0/24');
      expect(log.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
    }));

  it('come to rest: once all is as it should be, nobody writes', () =>
    inLab(scene, async ({ cluster, settle }) => {
      const writes = cluster.writes;
      await settle(20_000);
      expect(cluster.writes - writes).toBe(0);
    }));

  it('delete what belonged to a Deployment, in the background and in the foreground', async () => {
    for (const propagation of ['Background', 'Foreground'] as const) {
      await inLab(scene, async ({ cluster, settle }) => {
        await cluster.client.delete(DeploymentKind, { namespace: 'default', name: 'web' }, { propagation });
        await settle();
        expect(count(cluster)).toEqual({ deployments: 0, sets: 0, pods: 0 });
      });
    }
  });

  it('leave what was orphaned', () =>
    inLab(scene, async ({ cluster, settle }) => {
      const web = { namespace: 'default', name: 'web' };
      await cluster.client.delete(DeploymentKind, web, { propagation: 'Orphan' });
      await settle();
      expect(count(cluster)).toEqual({ deployments: 0, sets: 1, pods: 3 });
      expect(cluster.all(ReplicaSetKind)[0]?.metadata.ownerReferences ?? []).toEqual([]);
    }));

  it('empty a namespace that is deleted, then let it go', () =>
    inLab(scene, async ({ cluster, settle }) => {
      await cluster.client.delete(NamespaceKind, { name: 'default' });
      await settle(60_000);
      expect(cluster.all(NamespaceKind)).toEqual([]);
      expect(count(cluster)).toEqual({ deployments: 0, sets: 0, pods: 0 });
      expect(cluster.all(ServiceKind)).toEqual([]);
    }));

  it('can be printed as a graph', () => {
    expect(graph(ALL)).toContain(
      'replicaset-controller: for replicasets.apps; reads pods; writes pods, replicasets.apps\n',
    );
  });
});
