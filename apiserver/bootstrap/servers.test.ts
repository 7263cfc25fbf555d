import { expect, it, vi } from 'vitest';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { EndpointsKind } from '#api/kinds/endpoints.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { silentLogger } from '#machinery/log.ts';
import { FakeEngine } from '../fake/engine.ts';
import { joinServers, type ServerAddress } from './servers.ts';

const [A, B] = ['192.0.2.1', '192.0.2.2'].map((address) => ({ address, port: 6443 })) as [
  ServerAddress,
  ServerAddress,
];

function world() {
  const clock = new VirtualClock();
  const engine = new FakeEngine();
  const join = async (self: ServerAddress, shared = true) => {
    const crash = new AbortController();
    const known = await joinServers({ engine, clock, log: silentLogger, self, shared }, crash.signal);
    return { ...known, crash: () => crash.abort() };
  };
  const seen = () => {
    const endpoints = engine.get(EndpointsKind, 'kubernetes', 'default')!.subsets![0]!.addresses!;
    const slice = engine.get(EndpointSliceKind, 'kubernetes', 'default')!.endpoints!;
    expect(slice.map(({ addresses }) => addresses[0])).toEqual(endpoints.map(({ ip }) => ip));
    return endpoints.map(({ ip }) => ip);
  };
  return { clock, join, seen };
}

it('servers are known while they are there', async () => {
  const { clock, join, seen } = world();
  const first = await join(A);
  expect(seen()).toEqual([A.address]);
  const second = await join(B);
  expect(seen()).toEqual([A.address, B.address]);
  await clock.advance(60_000);
  expect(seen()).toEqual([A.address, B.address]);
  await first.leave();
  expect(seen()).toEqual([B.address]);
  await clock.advance(60_000);
  expect(seen()).toEqual([B.address]);
  await second.leave();
  // Nobody is left to be asked; whoever comes next says so.
  expect(seen()).toEqual([B.address]);
});

it('one that dies is forgotten after a while, and comes back', async () => {
  const { clock, join, seen } = world();
  const first = await join(A);
  await join(B);
  first.crash();
  await clock.advance(15_000);
  expect(seen()).toEqual([A.address, B.address]);
  await vi.waitFor(() => clock.advance(11_000));
  expect(seen()).toEqual([B.address]);
  await join(A);
  expect(seen()).toEqual([A.address, B.address]);
});

it('the only one there can be takes the place of whoever was there', async () => {
  const { join, seen } = world();
  await join(A, false);
  await join(B, false);
  expect(seen()).toEqual([B.address]);
});
