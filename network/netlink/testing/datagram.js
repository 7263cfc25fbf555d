// One UDP datagram. `send address port hex` sends these bytes; `wait port` says that it waits and prints the text that comes.
import { createSocket } from 'node:dgram';

const [verb, ...args] = process.argv.slice(2);
const socket = createSocket('udp4');

if (verb === 'send') {
  const [address, port, hex] = args;
  socket.send(Buffer.from(hex, 'hex'), Number(port), address, () => socket.close());
} else {
  socket.on('message', (message) => {
    console.log(message.toString().trim());
    socket.close();
  });
  socket.bind(Number(args[0]), () => console.log('ready'));
}
