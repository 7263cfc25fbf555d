// A pod for tests: answers TCP connections and UDP packets on a port with "<name> <address of the caller>".
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const [name, port] = process.argv.slice(2);
const tcp = createServer((socket) => {
  socket.on('error', () => {});
  socket.end(`${name} ${socket.remoteAddress?.replace('::ffff:', '')}\n`);
});
const udp = createSocket('udp4');
udp.on('message', (_, from) => udp.send(`${name} ${from.address}\n`, from.port, from.address));
udp.bind(Number(port), '0.0.0.0', () => {
  tcp.listen(Number(port), '0.0.0.0', () => console.log('ready'));
});
