import { expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { containerSpec, runtimeConformance, sandboxSpec } from '../conformance.ts';
import type { Mount } from '../contract.ts';
import { FakeRuntime, runsForever } from './index.ts';

const ROOT: Mount = { type: 'bind', source: '/images/busybox', target: '/', options: [] };

runtimeConformance('fake', async () => {
  const first = new FakeRuntime({ clock: systemClock });
  return {
    open: async () => first.reopen(),
    root: async () => ROOT,
    logDirectory: '/logs',
    readLog: async (path) => first.log(path),
    moveLog: async (from, to) => first.moveLog(from, to),
    killMonitor: async (_runtime, sandbox) => first.loseSandbox(sandbox),
    serveEcho: async (_runtime, sandbox, port) =>
      first.listen(sandbox, port, (stream) => stream.pipe(stream)),
    close: async () => {},
  };
});

test('a call told to fail fails as often as told, and then works', async () => {
  const runtime = new FakeRuntime({ clock: new VirtualClock() });
  runtime.fail('createSandbox', 'Kernel', 2, 'unshare');
  const spec = sandboxSpec('pod', '/logs');
  for (let i = 0; i < 2; i++) {
    await expect(runtime.createSandbox(spec)).rejects.toMatchObject({ code: 'Kernel', step: 'unshare' });
  }
  expect(await runtime.createSandbox(spec)).toMatchObject({ id: 'pod' });
});

test('programs are scripted, and an OOM kill can be staged', async () => {
  const runtime = new FakeRuntime({ clock: new VirtualClock(), program: () => runsForever });
  await runtime.createSandbox(sandboxSpec('pod', '/logs'));
  await runtime.startContainer(
    'pod',
    containerSpec('web.0', ROOT, '/logs/web', ['nginx', '-g', 'daemon off;']),
  );
  runtime.exitContainer('pod', 'web.0', 137, 9, 'OOMKilled');
  const exit = await runtime.stopContainer('pod', 'web.0', 0);
  expect(exit).toMatchObject({ code: 137, signal: 9, reason: 'OOMKilled' });
});

test('grace runs on the clock it was given', async () => {
  const clock = new VirtualClock();
  const runtime = new FakeRuntime({ clock });
  await runtime.createSandbox(sandboxSpec('pod', '/logs'));
  await runtime.startContainer('pod', containerSpec('a.0', ROOT, '/logs/a', ['stubborn']));
  let ended = false;
  const stop = runtime.stopContainer('pod', 'a.0', 30_000).then(() => {
    ended = true;
  });
  await clock.advance(29_999);
  expect(ended).toBe(false);
  await clock.advance(1);
  await stop;
});
