import { createSocket } from 'node:dgram';
import { parentPort, workerData } from 'node:worker_threads';
import * as dns from 'dns-packet';

/** Asks a DNS server on loopback, `window` questions under way per socket; posts answers per second. */

interface Load {
  port: number;
  clients: number;
  window: number;
  seconds: number;
}

const { port, clients, window, seconds } = workerData as Load;
const NAMES = 100;
/** A lost packet must not idle a socket for good. */
const REFILL_MS = 100;
const queries = Array.from({ length: NAMES }, (_, at) =>
  dns.encode({
    type: 'query',
    id: at,
    flags: dns.RECURSION_DESIRED,
    questions: [{ name: `service-${at}.default.svc.cluster.local`, type: 'A' }],
  }),
);

let answered = 0;
let next = 0;
const sockets = Array.from({ length: clients }, () => {
  const socket = createSocket('udp4');
  const ask = () => socket.send(queries[next++ % NAMES]!, port, '127.0.0.1');
  let before = -1;
  let here = 0;
  socket.on('message', () => {
    answered++;
    here++;
    ask();
  });
  const fill = () => {
    for (let i = 0; i < window; i++) ask();
  };
  fill();
  const refill = setInterval(() => {
    if (here === before) fill();
    before = here;
  }, REFILL_MS);
  return { socket, refill };
});
const begin = performance.now();
setTimeout(() => {
  parentPort!.postMessage(answered / ((performance.now() - begin) / 1000));
  for (const { socket, refill } of sockets) {
    clearInterval(refill);
    socket.close();
  }
}, seconds * 1000);
