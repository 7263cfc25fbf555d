// Asks an echo some times, one line per answer: its text, or the code of the error. Arguments: tcp|udp address port
// [count [source port, for UDP]].
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

const [protocol, host, port, count = '1', sourcePort = '0'] = process.argv.slice(2);
const TIMEOUT_MS = 1500;

function overTcp() {
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    const timer = setTimeout(() => end('TIMEOUT'), TIMEOUT_MS);
    let text = '';
    const end = (result) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', (error) => end(error.code));
    socket.on('end', () => end(text.trim()));
  });
}

function overUdp() {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const timer = setTimeout(() => end('TIMEOUT'), TIMEOUT_MS);
    const end = (result) => {
      clearTimeout(timer);
      socket.close();
      resolve(result);
    };
    socket.on('error', (error) => end(error.code));
    socket.on('message', (message) => end(message.toString().trim()));
    socket.bind(Number(sourcePort), () => socket.connect(Number(port), host, () => socket.send('?')));
  });
}

for (let i = 0; i < Number(count); i++) console.log(await (protocol === 'tcp' ? overTcp() : overUdp()));
