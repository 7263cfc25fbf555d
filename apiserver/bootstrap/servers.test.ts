import { describe, expect, it, vi } from 'vitest';
import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { EndpointsKind } from '#api/kinds/endpoints.ts';
import { LeaseKind } from '#api/kinds/lease.ts';
import type { Clock } from '#machinery/clock.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { FakeEngine } from '../fake/engine.ts';
import { clockOffset } from './server-clocks.ts';
import { joinServers, NAMESPACE, type ServerAddress, ServerSkewError } from './servers.ts';

const [A, B] = ['192.0.2.1', '192.0.2.2'].map((address) => ({ address, port: 6443 })) as [
  ServerAddress,
  ServerAddress,
];

function world() {
  const clock = new VirtualClock();
  const engine = new FakeEngine();
  const log: LogLine[] = [];
  const join = async (
    self: ServerAddress,
    shared = true,
    other: { version?: string; clock?: Clock } = {},
  ) => {
    const crash = new AbortController();
    const deps = { engine, clock, log: memoryLogger(log), self, shared, ...other };
    const known = await joinServers(deps, crash.signal);
    return { ...known, crash: () => crash.abort() };
  };
  const seen = () => {
    const endpoints = engine.get(EndpointsKind, 'kubernetes', 'default')!.subsets![0]!.addresses!;
    const slice = engine.get(EndpointSliceKind, 'kubernetes', 'default')!.endpoints!;
    expect(slice.map(({ addresses }) => addresses[0])).toEqual(endpoints.map(({ ip }) => ip));
    return endpoints.map(({ ip }) => ip);
  };
  return { clock, engine, log, join, seen };
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

describe('a server of another version', () => {
  it('serves with others one minor version away, and with no other', async () => {
    const { clock, join, seen } = world();
    const first = await join(A, true, { version: '1.4.2' });
    await expect(join(B, true, { version: '1.6.0' })).rejects.toThrow(
      new ServerSkewError(
        'this server is version 1.6.0, and another one of the cluster is 1.4.2: they may be one minor version apart',
      ),
    );
    expect(seen()).toEqual([A.address]);
    await join(B, true, { version: '1.5.0' });
    expect(seen()).toEqual([A.address, B.address]);
    // One that has gone keeps nobody out, nor does the same one before it was upgraded.
    await first.leave();
    await join(A, true, { version: '1.6.0' });
    expect(seen()).toEqual([A.address, B.address]);
    await clock.advance(20_000);
  });

  it('keeps nobody out when it died long ago', async () => {
    const { clock, join } = world();
    const first = await join(A, true, { version: '1.4.2' });
    first.crash();
    await clock.advance(20_000);
    await join(B, true, { version: '1.6.0' });
  });
});

describe('clocks', () => {
  it.each([
    ['written between both looks', 12_000, 0],
    ['written after it was seen', 15_500, 500],
    ['written before the look before', 9_000, -1_000],
  ])('%s', (_, writtenAt, expected) => {
    expect(clockOffset(writtenAt, 10_000, 15_000)).toBe(expected);
  });

  it.each([
    [30_000, 'ahead'],
    [-30_000, 'behind'],
  ])('that differ are told of: %d ms', async (offsetMs, words) => {
    const { clock, engine, log, join } = world();
    const other: Clock = {
      now: () => clock.now() + offsetMs,
      monotonic: () => clock.monotonic(),
      timer: (delayMs, fire) => clock.timer(delayMs, fire),
    };
    await join(A);
    await join(B, true, { clock: other });
    await clock.advance(20_000);
    const [own] = engine
      .list(LeaseKind, NAMESPACE)
      .filter(({ metadata }) => metadata.name!.includes('192-0-2-1'));
    const [, seconds = ''] = /^192\.0\.2\.2:6443 is (\S+) s (ahead|behind)$/.exec(
      own!.metadata.annotations!['gantry.dev/clock-skew']!,
    )!;
    expect(Number(seconds)).toBeGreaterThanOrEqual(25);
    expect(own!.metadata.annotations!['gantry.dev/clock-skew']).toContain(words);
    expect(log.filter(({ level }) => level === 'warn')).toHaveLength(2);
  });

  it('that agree are no news', async () => {
    const { clock, engine, log, join } = world();
    await join(A);
    await clock.advance(2_000);
    await join(B);
    await clock.advance(60_000);
    expect(log).toEqual([]);
    for (const { metadata } of engine.list(LeaseKind, NAMESPACE))
      expect(metadata.annotations).not.toHaveProperty('gantry.dev/clock-skew');
  });
});
