import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NodeNetwork, NodeNetworkConfig, ServicePortRule } from './contract.ts';

/** What a NodeNetwork is tested with. */
export interface NetworkSubject {
  network: NodeNetwork;
  /** The same node after the agent died and came back. */
  restart(): NodeNetwork;
  /** Path of a new network namespace for a pod. */
  namespace(): Promise<string>;
  close(): Promise<void>;
}

export const TEST_CONFIG: NodeNetworkConfig = {
  instance: 'tst001',
  podCidrs: ['10.244.0.0/28'],
  clusterCidrs: ['10.244.0.0/16'],
  serviceCidrs: ['10.96.0.0/12'],
  nodePortRange: { from: 30000, to: 32767 },
  dnsAddress: '10.96.0.10',
  addresses: ['192.0.2.1'],
};

/** A rule with the usual values. */
export function ruleOf(
  name: string,
  address: string,
  endpoints: ServicePortRule['endpoints'],
  more: Partial<ServicePortRule> = {},
): ServicePortRule {
  return {
    name,
    protocol: 'TCP',
    addresses: [address],
    port: 80,
    endpoints,
    sessionAffinitySeconds: 0,
    externalTrafficPolicyLocal: false,
    internalTrafficPolicyLocal: false,
    ...more,
  };
}

/** Cases that every implementation of NodeNetwork passes. */
export function networkConformance(label: string, make: () => Promise<NetworkSubject>): void {
  describe(`${label} keeps the network contract`, () => {
    let subject: NetworkSubject;
    let network: NodeNetwork;

    beforeEach(async () => {
      subject = await make();
      network = subject.network;
      await network.start(TEST_CONFIG);
    });
    afterEach(() => subject.close());

    test('nothing works before start', async () => {
      await expect(subject.restart().attach('a', await subject.namespace())).rejects.toMatchObject({
        code: 'Unavailable',
      });
    });

    test('a pod gets an address of the block and the gateway', async () => {
      expect(network.gateway()).toEqual(['10.244.0.1']);
      expect(await network.attach('a', await subject.namespace())).toEqual({
        addresses: ['10.244.0.2'],
        gateway: '10.244.0.1',
        interface: 'eth0',
      });
    });

    test('attaching again keeps the address', async () => {
      const namespace = await subject.namespace();
      const first = await network.attach('a', namespace);
      expect(await network.attach('a', namespace)).toEqual(first);
      expect([...(await network.attached())]).toEqual([['a', first]]);
    });

    test('a sandbox that comes back in another namespace keeps its address', async () => {
      const first = await network.attach('a', await subject.namespace());
      expect(await network.attach('a', await subject.namespace())).toEqual(first);
    });

    test('pods attached at the same time get different addresses', async () => {
      const namespaces = [await subject.namespace(), await subject.namespace(), await subject.namespace()];
      const pods = await Promise.all(namespaces.map((each, at) => network.attach(`p${at}`, each)));
      expect(new Set(pods.flatMap((each) => each.addresses)).size).toBe(3);
    });

    test('detaching gives the address back; doing it twice is harmless', async () => {
      await network.attach('a', await subject.namespace());
      await network.detach('a');
      await network.detach('a');
      expect((await network.attached()).size).toBe(0);
    });

    test('addresses survive the agent', async () => {
      const attached = await network.attach('a', await subject.namespace());
      const after = subject.restart();
      await after.start(TEST_CONFIG);
      expect([...(await after.attached())]).toEqual([['a', attached]]);
    });

    test('starting twice, syncing twice and auditing find nothing to mend', async () => {
      const rules = [ruleOf('shop/web', '10.96.0.7', [{ address: '10.244.0.2', port: 80, local: true }])];
      await network.attach('a', await subject.namespace());
      await network.syncServices(rules);
      await network.syncServices(rules);
      await network.start(TEST_CONFIG);
      await network.syncServices(rules);
      expect(await network.audit()).toEqual([]);
    });

    test('other nodes come, change and go; those without an address are named', async () => {
      const peer = (name: string, address: string, cidr: string) => ({
        ...{ name, addresses: address ? [address] : [], podCidrs: [cidr] },
      });
      const near = peer('near', '192.0.2.9', '10.244.1.0/28');
      expect(await network.syncPeers([near, peer('lost', '', '10.244.2.0/28')])).toEqual([
        { name: 'lost', why: expect.stringContaining('address') },
      ]);
      expect(await network.syncPeers([near])).toEqual([]);
      expect(await network.audit()).toEqual([]);
      expect(await network.syncPeers([{ ...near, addresses: ['192.0.2.10'] }])).toEqual([]);
      expect(await network.syncPeers([])).toEqual([]);
      expect(await network.audit()).toEqual([]);
    });

    test('after destroy it can start anew, empty', async () => {
      await network.attach('a', await subject.namespace());
      await network.destroy();
      await network.start(TEST_CONFIG);
      expect((await network.attached()).size).toBe(0);
      expect(await network.audit()).toEqual([]);
    });
  });
}
