import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { silentLogger } from '#machinery/log.ts';
import { keepWatched, notify } from './notify.ts';

/** What stands for systemd: a socket that takes datagrams, which Node has not. */
const LISTENER = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("ready", flush=True)
while True:
    print(s.recv(4096).decode().replace(chr(10), " "), flush=True)
`;

function whyNot(): string | undefined {
  try {
    for (const program of ['systemd-notify', 'python3'])
      execFileSync(program, ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'needs systemd-notify and python3';
  }
}

const reason = whyNot();
afterEach(() => vi.unstubAllEnvs());

test.skipIf(reason !== undefined)(`systemd is told what it asks for (${reason ?? 'here'})`, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-notify-'));
  const socket = join(directory, 'socket');
  const listener = spawn('python3', ['-c', LISTENER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  const stop = new AbortController();
  try {
    let heard = '';
    listener.stdout.on('data', (chunk) => {
      heard += String(chunk);
    });
    await vi.waitFor(() => expect(heard).toContain('ready\n'), 5_000);
    notify(silentLogger, '--ready');
    vi.stubEnv('NOTIFY_SOCKET', socket);
    vi.stubEnv('WATCHDOG_USEC', '150000');
    notify(silentLogger, '--ready', '--status=The API is served');
    await vi.waitFor(() => expect(heard).toMatch(/READY=1.*STATUS=The API is served/), 5_000);
    expect(heard.match(/READY=1/g)).toHaveLength(1);
    keepWatched(systemClock, silentLogger, stop.signal);
    await vi.waitFor(() => expect(heard.match(/WATCHDOG=1/g)?.length).toBeGreaterThan(1), 5_000);
  } finally {
    stop.abort();
    listener.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
});
