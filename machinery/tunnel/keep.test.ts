import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../clock.ts';
import { settle, VirtualClock } from '../clock-virtual.ts';
import { memoryLogger } from '../log.ts';
import { seededRandom } from '../random.ts';
import { keepTunnel } from './keep.ts';
import { callTunnel, type TunnelTargets } from './tunnel.ts';

const targets: TunnelTargets = {
  agent: (stream) => void stream.pipe(stream),
  dial: () => Promise.reject(new Error('nothing to dial')),
};
const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

test('a server that cannot be reached is tried ever more slowly, until there is no need any more', async () => {
  const clock = new VirtualClock();
  const tried: number[] = [];
  const end = new AbortController();
  const lines: Parameters<typeof memoryLogger>[0] = [];
  const done = keepTunnel(
    {
      async dial() {
        tried.push(clock.monotonic());
        throw new Error('connection refused');
      },
      use: 'bulk',
      targets,
      clock,
      random: seededRandom(1),
      log: memoryLogger(lines),
    },
    end.signal,
  );
  await clock.advance(60_000);
  const gaps = tried.slice(1).map((at, index) => at - tried[index]!);
  expect(gaps[0]).toBeLessThanOrEqual(100);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(1_000);
  expect(gaps.at(-1)).toBeGreaterThanOrEqual(500);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ level: 'warn', fields: { error: 'connection refused' } });
  end.abort();
  await settle();
  await done;
});

test('a torn tunnel is dialled anew and works again', async () => {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket));
  open.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const end = new AbortController();
  const dial = async () => {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  };
  const log = memoryLogger([]);
  const done = keepTunnel(
    { dial, use: 'bulk', targets, clock: systemClock, random: seededRandom(1), log },
    end.signal,
  );
  for (const round of ['first', 'second']) {
    if (accepted.length === 0) await once(server, 'connection');
    const tunnel = callTunnel(accepted.shift()!, 'bulk', systemClock);
    const stream = await tunnel.open({ kind: 'agent' });
    stream.write(round);
    const [heard] = (await once(stream, 'data')) as [Buffer];
    expect(heard.toString()).toBe(round);
    if (round === 'second') end.abort();
    else tunnel.close();
    await tunnel.closed;
  }
  await done;
});
