import { describe, expect, it } from 'vitest';
import { NodeKind } from '#api/kinds/node.ts';
import type { Node } from '#api/objects.ts';
import { failEveryStepOnce } from '../framework/lab.ts';
import { nodeIpamController } from './controller.ts';
import { planNodeBlocks } from './plan.ts';

function node(name: string, podCIDRs?: string[]): Node {
  const spec = podCIDRs ? { podCIDR: podCIDRs[0], podCIDRs } : {};
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec };
}

const blocks = (others: Node[], ranges: string[]) => {
  const [action] = planNodeBlocks(node('new'), others, ranges).actions;
  return action?.do === 'patch'
    ? (action.patch.body as { spec: { podCIDRs: string[] } }).spec.podCIDRs
    : action;
};

describe('the block of a node', () => {
  it('is the first that nobody has', () => {
    expect(blocks([], ['10.244.0.0/16'])).toEqual(['10.244.0.0/24']);
    expect(blocks([node('a', ['10.244.0.0/24']), node('b', ['10.244.2.0/24'])], ['10.244.0.0/16'])).toEqual([
      '10.244.1.0/24',
    ]);
  });

  it('is one per family', () => {
    expect(blocks([], ['10.244.0.0/16', 'fd00::/48'])).toEqual(['10.244.0.0/24', 'fd00::/64']);
  });

  it('overlaps with no block of another size', () => {
    expect(blocks([node('a', ['10.244.0.0/23'])], ['10.244.0.0/16'])).toEqual(['10.244.2.0/24']);
  });

  it('stays what it is', () => {
    expect(planNodeBlocks(node('a', ['10.1.0.0/24']), [], ['10.244.0.0/16']).actions).toEqual([]);
  });

  it('is missed in an event when none is left', () => {
    expect(blocks([node('a', ['10.244.0.0/24'])], ['10.244.0.0/24'])).toMatchObject({
      do: 'event',
      why: { reason: 'CIDRNotAvailable' },
    });
  });

  it('is never given twice, though nodes come together and whichever step fails', async () => {
    const scene = {
      roster: [nodeIpamController(['10.244.0.0/16'])],
      async arrange(cluster: import('#client/fake/fake-cluster.ts').FakeCluster) {
        for (const name of ['a', 'b', 'c', 'd']) await cluster.client.create(NodeKind, node(name));
      },
    };
    await failEveryStepOnce(scene, (cluster) => {
      const given = cluster.all(NodeKind).map(({ spec }) => spec?.podCIDR);
      expect(given.sort()).toEqual(['10.244.0.0/24', '10.244.1.0/24', '10.244.2.0/24', '10.244.3.0/24']);
    });
  });
});
