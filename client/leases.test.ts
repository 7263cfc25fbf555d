import { describe, expect, it } from 'vitest';
import { LeaseKind } from '#api/kinds/lease.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { seededRandom } from '#machinery/random.ts';
import { FakeCluster } from './fake/fake-cluster.ts';
import { type ElectionOptions, renewNodeLease, runElection } from './leases.ts';

const ref = { namespace: 'kube-system', name: 'controllers' };

function world() {
  const clock = new VirtualClock();
  const cluster = new FakeCluster({ clock, random: seededRandom(1) });
  let silent = false;
  /** Of a server whose store has no majority: what is asked is answered by nobody. */
  const client = (identity: string): ElectionOptions['client'] => {
    const answer = <T>(ask: () => Promise<T>) =>
      silent && identity === 'a' ? new Promise<T>(() => {}) : ask();
    const { client } = cluster;
    return {
      get: (kind, ref) => answer(() => client.get(kind, ref)),
      create: (kind, object) => answer(() => client.create(kind, object)),
      update: (kind, object) => answer(() => client.update(kind, object)),
    };
  };
  const leading = new Set<string>();
  let most = 0;
  const candidate = (identity: string, more: Partial<ElectionOptions> = {}) => {
    const stop = new AbortController();
    const options = {
      client: client(identity),
      clock,
      random: seededRandom(identity.length),
      ...ref,
      identity,
      ...more,
    };
    const done = runElection(options, stop.signal, async (signal) => {
      leading.add(identity);
      most = Math.max(most, leading.size);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      leading.delete(identity);
    });
    return { stop: () => stop.abort(), done };
  };
  const silence = () => {
    silent = true;
  };
  return { clock, cluster, leading, candidate, silence, most: () => most };
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

  it('is given up at once by a leader that is not fit any more, to one that is', async () => {
    const { clock, leading, candidate } = world();
    const fit = { a: true, bb: false };
    candidate('a', { isFit: () => fit.a });
    await clock.advance(1000);
    candidate('bb', { isFit: () => fit.bb });
    fit.a = false;
    await clock.advance(10_000);
    expect([...leading]).toEqual([]);
    fit.bb = true;
    await clock.advance(3000);
    expect([...leading]).toEqual(['bb']);
  });

  it('says until when the lease is nobody else’s, from before it was asked for', async () => {
    const { clock, cluster, candidate, leading } = world();
    const untils: number[] = [];
    candidate('a', { onRenewed: (untilMs) => untils.push(untilMs - clock.monotonic()) });
    await clock.advance(7000);
    expect(untils.length).toBeGreaterThan(2);
    for (const leftMs of untils) expect(leftMs).toBeLessThanOrEqual(15_000);
    const count = untils.length;
    cluster.intercept(() => new StatusError('ServiceUnavailable', 'cut off'));
    await clock.advance(12_500);
    expect(untils).toHaveLength(count);
    expect(leading.size).toBe(0);
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

  it('is lost by a leader that is not answered any more, before another may win it', async () => {
    const { clock, leading, candidate, silence, most } = world();
    candidate('a');
    await clock.advance(1000);
    candidate('bb');
    silence();
    await clock.advance(12_500);
    expect([...leading]).toEqual([]);
    await clock.advance(8000);
    expect([...leading]).toEqual(['bb']);
    expect(most()).toBe(1);
  });

  it('is left within seconds by who stops and is not answered', async () => {
    const { clock, leading, candidate, silence } = world();
    const { stop, done } = candidate('a');
    await clock.advance(1000);
    silence();
    await clock.advance(5000);
    let ended = false;
    void done.then(() => {
      ended = true;
    });
    stop();
    await clock.advance(1000);
    expect([[...leading], ended]).toEqual([[], false]);
    await clock.advance(1000);
    expect(ended).toBe(true);
  });

  it('is won from one that died, as soon as its lease has stood still for its time', async () => {
    const { clock, cluster, leading, candidate } = world();
    await cluster.client.create(LeaseKind, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: ref,
      spec: { holderIdentity: 'dead', leaseDurationSeconds: 15 },
    });
    candidate('a');
    await clock.advance(14_900);
    expect([...leading]).toEqual([]);
    await clock.advance(150);
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
