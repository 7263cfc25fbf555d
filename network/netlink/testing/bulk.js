// Much data over TCP. `serve port bytes` gives so many random bytes to who connects, and prints their sum first;
// `fetch address port` prints the sum of what it gets.
import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer } from 'node:net';

const [verb, ...args] = process.argv.slice(2);
const TIMEOUT_MS = 10_000;

if (verb === 'serve') {
  const bytes = randomBytes(Number(args[1]));
  const sum = createHash('sha256').update(bytes).digest('hex');
  createServer((socket) => {
    socket.on('error', () => {});
    socket.end(bytes);
  }).listen(Number(args[0]), '::', () => console.log(sum));
} else {
  const hash = createHash('sha256');
  const socket = connect({ host: args[0], port: Number(args[1]) });
  const end = (text) => {
    console.log(text);
    process.exit();
  };
  setTimeout(() => end('TIMEOUT'), TIMEOUT_MS);
  socket.on('data', (chunk) => hash.update(chunk));
  socket.on('error', (error) => end(error.code));
  socket.on('end', () => end(hash.digest('hex')));
}
