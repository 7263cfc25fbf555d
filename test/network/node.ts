import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import { ruleOf, TEST_CONFIG } from '#network/conformance.ts';
import { NativeNetwork } from '#network/native.ts';
import { systemSysctl } from '#network/netlink/sysctl.ts';
import { HelperClient } from '#runtime/native/helper-client.ts';

/** A node with two pods and a service, wired as the agent does it. Prints what the second pod answered the first. */

const directory = process.argv[2]!;
const testing = join(import.meta.dirname, '../../network/netlink/testing');
const children: ChildProcess[] = [];

async function start(program: string, ...argv: string[]): Promise<ChildProcess> {
  const child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child;
}

mkdirSync(join(directory, 'network'));
const helper = new HelperClient({
  clock: systemClock,
  runDirectory: join(directory, 'run'),
  binDirectory: join(directory, 'bin'),
});
try {
  const network = new NativeNetwork({
    netlink: helper,
    sysctl: systemSysctl,
    files: systemFiles(),
    directory: join(directory, 'network'),
    nodePid: process.pid,
  });
  await network.start(TEST_CONFIG);
  const pods: number[] = [];
  for (const name of ['p0', 'p1']) {
    const { pid } = await start('unshare', '--net', 'sh', '-c', 'echo ready; exec cat');
    await network.attach(name, `/proc/${pid}/ns/net`);
    pods.push(pid!);
  }
  const inPod = (pid: number) => [`--net=/proc/${pid}/ns/net`, process.execPath];
  await start('nsenter', ...inPod(pods[1]!), join(testing, 'echo.js'), 'p1', '8080');
  await network.syncServices([
    ruleOf('shop/web', '10.96.0.7', [{ address: '10.244.0.3', port: 8080, local: true }]),
  ]);
  const probe = [...inPod(pods[0]!), join(testing, 'probe.js'), 'tcp', '10.96.0.7', '80'];
  process.stdout.write(execFileSync('nsenter', probe));
  // Another node, by VXLAN: nobody is there, but the kernel shall take and keep the way.
  const far = { name: 'far', addresses: ['198.51.100.9'], podCidrs: ['10.244.1.0/28'] };
  for (const { name, why } of await network.syncPeers([far])) console.log(`no way to ${name}: ${why}`);
  console.log(execFileSync('ip', ['route', 'get', '10.244.1.3'], { encoding: 'utf8' }).split(' uid')[0]);
  const found = await network.audit();
  for (const finding of found) console.log(finding);
  await network.destroy();
} finally {
  for (const child of children) child.kill('SIGKILL');
  await helper.shutdown();
}
