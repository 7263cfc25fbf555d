// A pod for tests: answers TCP connections and UDP packets on a port with "<name> <address of the caller>".
// Arguments: name, port, [address to listen on].
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const [name, port, host = '0.0.0.0'] = process.argv.slice(2);
const tcp = createServer((socket) => {
  socket.on('error', () => {});
  socket.end(`${name} ${socket.remoteAddress?.replace('::ffff:', '')}\n`);
});
const udp = createSocket(host.includes(':') ? 'udp6' : 'udp4');
udp.on('message', (_, from) => udp.send(`${name} ${from.address.replace('::ffff:', '')}\n`, from.port, from.address));
udp.bind(Number(port), host, () => {
  tcp.listen(Number(port), host, () => console.log('ready'));
});
