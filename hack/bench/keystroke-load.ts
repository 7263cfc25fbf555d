/** Types into a container by exec, one key after the other, with and without copies beside it; prints round trips as JSON. In the server's network namespace. */
import { readFileSync } from 'node:fs';
import WebSocket from 'ws';
import { parse } from 'yaml';

const KEYS = 200;
const PAUSE_MS = 20;
const FLOODS = 4;
/** Until the copies have filled every queue on their way. */
const WARM_UP_MS = 3_000;

const [kubeconfig, pod] = process.argv.slice(2) as [string, string];
const { clusters, users } = parse(readFileSync(kubeconfig, 'utf8'));
const decode = (data: string) => Buffer.from(data, 'base64');
const tls = {
  ca: decode(clusters[0].cluster['certificate-authority-data']),
  cert: decode(users[0].user['client-certificate-data']),
  key: decode(users[0].user['client-key-data']),
};
const url = clusters[0].cluster.server.replace('https:', 'wss:');

async function exec(command: string[], flags: string): Promise<WebSocket> {
  const words = command.map((word) => `command=${encodeURIComponent(word)}`).join('&');
  const path = `/api/v1/namespaces/default/pods/${pod}/exec?${words}&stdout=true&${flags}`;
  const socket = new WebSocket(`${url}${path}`, 'v5.channel.k8s.io', tls);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return socket;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Milliseconds from a key to what it brings to the screen. `cat` gives it back; at a terminal the terminal itself does. */
async function type(flags: string): Promise<number[]> {
  const socket = await exec(['cat'], `stdin=true&${flags}`);
  const times: number[] = [];
  for (let at = 0; at < KEYS; at++) {
    const began = performance.now();
    const shown = new Promise<void>((resolve) => {
      const look = (data: Buffer) => {
        if (data[0] !== 1 || data.length < 2) return;
        socket.off('message', look);
        resolve();
      };
      socket.on('message', look);
    });
    socket.send(Buffer.from([0, 'x'.charCodeAt(0)]));
    await shown;
    times.push(performance.now() - began);
    await pause(PAUSE_MS);
  }
  socket.terminate();
  return times;
}

const TERMINAL = 'tty=true';
const alone = await type(TERMINAL);
let bytes = 0;
const floods = await Promise.all(
  Array.from({ length: FLOODS }, () => exec(['cat', '/dev/zero'], 'tty=false')),
);
for (const flood of floods)
  flood.on('message', (data: Buffer) => {
    bytes += data.length;
  });
await pause(WARM_UP_MS);
const [began, before] = [performance.now(), bytes];
const apart = await type(TERMINAL);
const shared = await type('tty=false');
const megabytesPerSecond = (bytes - before) / 1e3 / (performance.now() - began);
for (const flood of floods) flood.terminate();
console.log(JSON.stringify({ alone, apart, shared, megabytesPerSecond }));
process.exit();
