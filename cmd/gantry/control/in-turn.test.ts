import { expect, test, vi } from 'vitest';
import { LeaseKind } from '#api/kinds/lease.ts';
import type { Client } from '#client/contract.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { silentLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import { inTurn } from './in-turn.ts';

const LEASE_MS = 12_000;
const cut = new Set<string>();

function world() {
  const clock = new VirtualClock();
  const cluster = new FakeCluster({ clock, random: seededRandom(1) });
  const deeds: string[] = [];
  cut.clear();
  /** Of a server that may be cut off. */
  const clientOf = (identity: string): Client =>
    new Proxy(cluster.client, {
      get(client, name: keyof Client) {
        if (cut.has(identity))
          return async () => {
            throw new StatusError('ServiceUnavailable', 'cut off');
          };
        return (client[name] as (...args: unknown[]) => unknown).bind(client);
      },
    });
  const server = async (identity: string) => {
    const [crash, over] = [new AbortController(), new AbortController()];
    const turns = { clock, random: seededRandom(2), log: silentLogger, identity, leaseMs: LEASE_MS };
    const signals = { crash: crash.signal, over: over.signal };
    const running = await inTurn('part', clientOf(identity), { ...turns, ...signals }, async (signal) => {
      deeds.push(`${identity} starts`);
      signal.addEventListener('abort', () => deeds.push(`${identity} drops`), { once: true });
      const stop = async () => void deeds.push(`${identity} stops`);
      return { ready: Promise.resolve(), health: () => ({ ok: true }), stop };
    });
    const stop = () => {
      over.abort();
      return running.stop();
    };
    return { stop, crash: () => crash.abort(), health: running.health, leads: running.leads };
  };
  return { clock, cluster, deeds, server };
}

test('one of two is at work; when it ends in peace the other follows within moments', async () => {
  const { clock, deeds, server } = world();
  const first = await server('a');
  await clock.advance(100);
  const second = await server('b');
  await clock.advance(60_000);
  expect(deeds).toEqual(['a starts']);
  expect(second.health()).toEqual({ ok: true });
  expect([first.leads(), second.leads()]).toEqual([true, false]);
  const stopped = first.stop();
  await vi.waitFor(() => clock.advance(500));
  await stopped;
  expect(deeds).toEqual(['a starts', 'a stops']);
  await clock.advance(LEASE_MS / 6 + 500);
  expect(deeds.slice(2)).toEqual(['b starts']);
  expect([first.leads(), second.leads()]).toEqual([false, true]);
  second.crash();
  await clock.advance(1);
});

test('when the one at work is cut off the other follows once the lease is over, and not before', async () => {
  const { clock, cluster, deeds, server } = world();
  await server('a');
  await clock.advance(100);
  await server('b');
  await clock.advance(30_000);
  const held = () => cluster.get(LeaseKind, { namespace: 'kube-system', name: 'part' })?.spec?.holderIdentity;
  expect(held()).toBe('a');
  cut.add('a');
  await clock.advance(LEASE_MS - 2_500);
  expect(deeds).toEqual(['a starts', 'a drops', 'a stops']);
  await clock.advance(5_500);
  expect(deeds.slice(3)).toEqual(['b starts']);
  expect(held()).toBe('b');
});
