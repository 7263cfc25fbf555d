import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { http2Transport } from './http2-transport.ts';

/**
 * A server behind a dead wire: whoever connects gets no answer from the kernel. Here it is one that was stopped while its queue
 * is full, so that the kernel drops what comes.
 */
let server: ChildProcess;
let port = 0;
const waiting: Socket[] = [];
const SERVER = `require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
  process.stdout.write(String(this.address().port)); })`;

beforeAll(async () => {
  server = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  port = Number(await once(server.stdout!, 'data'));
  server.kill('SIGSTOP');
  // The queue takes one or two more than it is told.
  for (let isFull = false; !isFull && waiting.length < 20; ) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    waiting.push(socket);
    isFull = await Promise.race([
      once(socket, 'connect').then(() => false),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 300)),
    ]);
  }
});
afterAll(() => {
  for (const socket of waiting) socket.destroy();
  server.kill('SIGKILL');
});

test.each(['request', 'upgrade'] as const)(
  'a %s to it fails when the time is over, not when the kernel gives up',
  async (how) => {
    const options = { clock: systemClock, connectTimeoutMs: 200 };
    const transport = http2Transport({ ...options, url: `https://127.0.0.1:${port}` });
    // The kernel's own limit is two minutes, and the test's is far below.
    await expect(transport[how]({ method: 'GET', path: '/', headers: {} })).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: expect.stringContaining('within 200 ms'),
    });
    transport.close();
  },
);
