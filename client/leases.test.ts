import { describe, expect, it } from 'vitest';
import { LeaseKind } from '#api/kinds/lease.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { seededRandom } from '#machinery/random.ts';
import { FakeCluster } from './fake/fake-cluster.ts';
import { renewNodeLease, runElection } from './leases.ts';

const ref = { namespace: 'kube-system', name: 'controllers' };

function world() {
  const clock = new VirtualClock();
  const cluster = new FakeCluster({ clock, random: seededRandom(1) });
  const leading = new Set<string>();
  let most = 0;
  const candidate = (identity: string) => {
    const stop = new AbortController();
    const options = {
      client: cluster.client,
      clock,
      random: seededRandom(identity.length),
      ...ref,
      identity,
    };
    const done = runElection(options, stop.signal, async (signal) => {
      leading.add(identity);
      most = Math.max(most, leading.size);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      leading.delete(identity);
    });
    return { stop: () => stop.abort(), done };
  };
  return { clock, cluster, leading, candidate, most: () => most };
}

describe('an election', () => {
  it('has one leader at a time, and the next soon after it stops', async () => {
    const { clock, leading, candidate, most } = world();
    const first = candidate('a');
    await clock.advance(1000);
    candidate('bb');
    await clock.advance(60_000);
    expect([...leading]).toEqual(['a']);
    first.stop();
    await clock.advance(3000);
    expect([...leading]).toEqual(['bb']);
    expect(most()).toBe(1);
  });

  it('is lost by a leader that cannot renew, before another may win it', async () => {
    const { clock, cluster, leading, candidate, most } = world();
    candidate('a');
    await clock.advance(1000);
    const heal = cluster.intercept(() => new StatusError('ServiceUnavailable', 'cut off'));
    await clock.advance(12_500);
    expect([...leading]).toEqual([]);
    heal();
    await clock.advance(5000);
    expect(leading.size).toBe(1);
    expect(most()).toBe(1);
  });

  it('is won from one that died, after its lease stood still', async () => {
    const { clock, cluster, leading, candidate } = world();
    await cluster.client.create(LeaseKind, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: ref,
      spec: { holderIdentity: 'dead', leaseDurationSeconds: 15 },
    });
    candidate('a');
    await clock.advance(14_000);
    expect([...leading]).toEqual([]);
    await clock.advance(5000);
    expect([...leading]).toEqual(['a']);
    expect(cluster.get(LeaseKind, ref)?.spec?.leaseTransitions).toBe(1);
  });
});

describe('the lease of a node', () => {
  it('is made by the first heartbeat and renewed by the next', async () => {
    const { clock, cluster } = world();
    const renew = () => renewNodeLease(cluster.client, clock, { name: 'n1', uid: 'u' });
    await renew();
    await clock.advance(10_000);
    await renew();
    const [lease] = cluster.all(LeaseKind);
    expect(lease?.spec?.renewTime).toBe('2026-01-01T00:00:10.000000Z');
    expect(lease?.metadata.ownerReferences).toMatchObject([{ kind: 'Node', name: 'n1', uid: 'u' }]);
  });
});
