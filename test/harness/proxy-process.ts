import { testProxy } from '#machinery/proxy/testing/proxy.ts';

/** `proxy-process.ts HOST USER:PASSWORD`: a proxy on a host of a lab, for as long as its standard input is open. Prints its port, then what it is asked for. */
const [host, credentials] = process.argv.slice(2) as [string, string];
const proxy = await testProxy({ host, credentials });
process.stdout.write(`${proxy.url.port}\n`);
process.stdin.resume().once('end', () => process.exit());
