import { beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '#client/contract.ts';
import { FakeCluster } from '#client/fake/fake-cluster.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { silentLogger } from '#machinery/log.ts';
import { seededRandom } from '#machinery/random.ts';
import type { AddressKernel, EthernetLink } from '#network/virtual-address/kernel.ts';
import { AddressKeeper } from './keeper.ts';
import { isAnnounced, kernelSeconds, LEASE_MS } from './term.ts';

const ADDRESS = '192.0.2.100';

/** The kernels of some machines on one link: who has the address, and until when. */
class FakeLink {
  readonly clock: VirtualClock;
  readonly #until = new Map<string, number>();
  readonly told: string[] = [];
  /** A machine that is none of ours. */
  stranger: string | undefined;
  /** How late the kernel takes an address away. */
  lateMs = 1_250;
  most = 0;
  /** Nobody answers who has it. */
  isDeaf = false;
  hangs = '';

  constructor(clock: VirtualClock) {
    this.clock = clock;
  }

  holders(): string[] {
    const now = this.clock.monotonic();
    return [...this.#until].filter(([, until]) => until > now).map(([name]) => name);
  }

  kernelOf(name: string): AddressKernel {
    const hung = () => (this.hangs === name ? new Promise<never>(() => {}) : undefined);
    return {
      link: async (link) => ({ name: link, index: 2, mac: '02:00:00:00:00:01' }),
      otherHolder: async () => this.stranger ?? this.holders().find((each) => each !== name && !this.isDeaf),
      hold: async (_: EthernetLink, __: string, seconds: number) => {
        await hung();
        this.#until.set(name, this.clock.monotonic() + seconds * 1000 + this.lateMs);
        this.most = Math.max(this.most, this.holders().length);
      },
      release: async () => {
        await hung();
        this.#until.delete(name);
      },
      announce: async () => void this.told.push(name),
    };
  }
}

type Cut = boolean | 'silently';

/** The store's, as one server reaches it. */
function cuttable(client: Client, state: { cut: Cut }): Client {
  const refused = async () => {
    if (state.cut === 'silently') return await new Promise(() => {});
    throw new StatusError('ServiceUnavailable', 'cut off');
  };
  return new Proxy(client, {
    get(target, name) {
      const found = Reflect.get(target, name);
      return state.cut ? refused : typeof found === 'function' ? found.bind(target) : found;
    },
  });
}

describe('the virtual address of servers', () => {
  let clock: VirtualClock;
  let cluster: FakeCluster;
  let link: FakeLink;
  let events: string[];
  let left: string[];
  beforeEach(() => {
    clock = new VirtualClock();
    cluster = new FakeCluster({ clock, random: seededRandom(1) });
    link = new FakeLink(clock);
    events = [];
    left = [];
  });

  function server(name: string) {
    const state = {
      ready: true,
      cut: false as Cut,
      place: { link: 'eth0' } as { link: string } | { why: string },
    };
    const stop = new AbortController();
    const keeper = new AddressKeeper(ADDRESS, {
      ...{
        client: cuttable(cluster.client, state),
        clock,
        random: seededRandom(name.length),
        log: silentLogger,
      },
      ...{ kernel: link.kernelOf(name), identity: name, linkOf: () => state.place },
      isReady: async () => state.ready,
      serve: async () => {},
      leave: async () => void left.push(`${name} ${link.holders().includes(name)}`),
      tell: (_, { reason }) => events.push(`${name} ${reason}`),
    });
    const done = keeper.run(stop.signal);
    return { keeper, state, stop: () => stop.abort(), done };
  }

  test('is had by one of them, and told of on the link', async () => {
    const one = server('a');
    await clock.advance(500);
    const two = server('bb');
    await clock.advance(30_000);
    expect(link.holders()).toEqual(['a']);
    expect([one.keeper.isHeld, two.keeper.isHeld, link.most]).toEqual([true, false, 1]);
    expect(events).toEqual(['a VirtualAddressTaken']);
    expect(link.told.length).toBeGreaterThanOrEqual(3 + 4);
  });

  test('is handed on by one that stops, after its connections, within a second', async () => {
    const one = server('a');
    await clock.advance(500);
    server('bb');
    await clock.advance(5_000);
    one.stop();
    await clock.advance(1_100);
    expect(link.holders()).toEqual(['bb']);
    expect(left).toEqual(['a true']);
    await one.done;
  });

  test('goes from one that is not ready, and to none that is not', async () => {
    const one = server('a');
    await clock.advance(500);
    const two = server('bb');
    await clock.advance(5_000);
    one.state.ready = false;
    two.state.ready = false;
    await clock.advance(3_000);
    expect(link.holders()).toEqual([]);
    two.state.ready = true;
    await clock.advance(3_000);
    expect(link.holders()).toEqual(['bb']);
  });

  test.each([0, 1_250])('is never at two, whoever cannot renew, with a kernel %i ms late', async (lateMs) => {
    link.lateMs = lateMs;
    const one = server('a');
    await clock.advance(500);
    server('bb');
    await clock.advance(5_000);
    expect(link.holders()).toEqual(['a']);
    one.state.cut = true;
    await clock.advance(LEASE_MS);
    expect(link.holders()).not.toContain('a');
    await clock.advance(LEASE_MS / 2);
    expect(link.holders()).toEqual(['bb']);
    one.state.cut = false;
    await clock.advance(20_000);
    expect(link.holders()).toEqual(['bb']);
    expect(link.most).toBe(1);
  });

  test('is not taken while another machine has it, which is told once', async () => {
    link.stranger = '02:00:00:00:00:99';
    const one = server('a');
    await clock.advance(60_000);
    expect(link.holders()).toEqual([]);
    expect(events).toEqual(['a VirtualAddressConflict']);
    link.stranger = undefined;
    await clock.advance(12_000);
    expect(one.keeper.isHeld).toBe(true);
  });

  test('is not taken by a machine on another subnet, which leaves it to others', async () => {
    const one = server('a');
    one.state.place = { why: 'no interface of this machine has a subnet that contains it' };
    await clock.advance(500);
    server('bb');
    await clock.advance(3_000);
    expect(link.holders()).toEqual(['bb']);
    expect(events).toEqual(['a VirtualAddressMisplaced', 'bb VirtualAddressTaken']);
  });

  test('is never at two, though one is stopped as it is, and nobody would hear of it', async () => {
    link.isDeaf = true;
    const one = server('a');
    await clock.advance(500);
    server('bb');
    await clock.advance(5_000);
    // Neither asks nor answers any more: its kernel alone goes on.
    one.state.cut = 'silently';
    link.hangs = 'a';
    await clock.advance(15_000);
    expect(link.holders()).toEqual(['bb']);
    one.state.cut = false;
    link.hangs = '';
    await clock.advance(15_000);
    expect([link.holders(), link.most]).toEqual([['bb'], 1]);
  });

  test('goes to another one when what sets it hangs', async () => {
    server('a');
    await clock.advance(500);
    server('bb');
    await clock.advance(3_000);
    link.hangs = 'a';
    await clock.advance(15_000);
    expect(link.holders()).toEqual(['bb']);
    expect(link.most).toBe(1);
  });
});

describe('the term of the kernel', () => {
  test.each([
    [LEASE_MS, 0, 3],
    [LEASE_MS, 499, 3],
    [LEASE_MS, 501, 2],
    [LEASE_MS, 2_600, 0],
    [LEASE_MS, 60_000, 0],
  ])('of a lease until %i at %i: %i s', (until, now, seconds) =>
    expect(kernelSeconds(until, now)).toBe(seconds),
  );

  test('the link is told at once, again, and then now and then', () => {
    const told = Array.from({ length: 14 }, (_, at) => at).filter(isAnnounced);
    expect(told).toEqual([0, 1, 2, 6, 12]);
  });
});
