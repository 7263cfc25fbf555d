import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { silentLogger } from '#machinery/log.ts';
import type { Transport } from '#machinery/transport.ts';
import { keepAgentTunnel } from './tunnel.ts';

const UPPER_HALF = { next: () => 1, bytes: () => new Uint8Array() };

test('a server that is away is dialled again and again, at least every second', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const dialledAt: number[] = [];
  const transport = {
    upgrade: async ({ path }: { path: string }) => {
      expect(path).toBe('/apis/gantry.dev/v1alpha1/nodes/node-1/tunnel');
      dialledAt.push(clock.monotonic());
      throw new StatusError('ServiceUnavailable', 'refused');
    },
  } as unknown as Transport;
  const common = { transport, node: 'node-1', server: createServer(), random: UPPER_HALF, log: silentLogger };
  const dialPod = () => Promise.reject(new Error('nobody dials'));
  const kept = keepAgentTunnel({ ...common, use: 'bulk', dialPod, clock, signal: stop.signal });
  await clock.advance(20_000);
  const gaps = dialledAt.slice(1).map((at, index) => at - dialledAt[index]!);
  expect(gaps.slice(0, 5)).toEqual([100, 200, 400, 800, 1000]);
  expect(Math.max(...gaps)).toBe(1000);
  stop.abort();
  await kept;
  const { length } = dialledAt;
  await clock.advance(20_000);
  expect(dialledAt).toHaveLength(length);
});
