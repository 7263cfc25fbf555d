import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sleep, systemClock } from '#machinery/clock.ts';
import { makeTestNode, type TestNode, whyNoKernel } from '#network/netlink/testing/namespaces.ts';
import { type EthernetLink, NativeAddressKernel } from '#network/virtual-address/kernel.ts';
import { HelperClient } from '#runtime/native/helper-client.ts';
import { BIN_DIRECTORY, buildPrograms } from '#runtime/native/test-root.ts';

const CASES = [
  { family: 4, subnet: '192.0.2.', prefix: 24, address: '192.0.2.100' },
  { family: 6, subnet: '2001:db8::', prefix: 64, address: '2001:db8::64' },
] as const;

/** Two machines that can have the address and one that asks for it, on a switch; the kernels and the helper are real. */
describe.skipIf(whyNoKernel()).each(CASES)('a virtual address of IPv$family in the kernel', (each) => {
  const { subnet, prefix, address } = each;
  const directory = mkdtempSync(join(tmpdir(), 'gantry-address-'));
  const machines: { kernel: NativeAddressKernel; helper: HelperClient; pid: number; link: EthernetLink }[] =
    [];
  let node: TestNode;
  let client: number;

  beforeAll(async () => {
    await buildPrograms();
    node = await makeTestNode();
    node.run(node.pid, 'sh', '-ec', 'ip link add switch type bridge; ip link set switch up');
    for (const host of [1, 2, 3]) {
      const pid = await node.addNamespace();
      const wire = `
        ip link add w${host} type veth peer name eth0 netns ${pid}
        ip link set w${host} master switch up`;
      node.run(node.pid, 'sh', '-ec', wire);
      // A machine that has just come up asks for nobody until it is sure of its own addresses.
      const own = `
        echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
        ip link set lo up
        ip link set eth0 up
        ip address add ${subnet}${host}/${prefix} dev eth0`;
      node.run(pid, 'sh', '-ec', own);
      if (host === 3) client = pid;
      else machines.push(await machineIn(pid, join(directory, String(host))));
    }
  }, 120_000);

  afterAll(async () => {
    for (const { helper } of machines) await helper.shutdown();
    await node.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function machineIn(pid: number, runDirectory: string) {
    node.run(pid, 'mkdir', '-p', '-m', '700', runDirectory);
    const child = node.start(
      pid,
      join(BIN_DIRECTORY, 'helper'),
      runDirectory,
      join(BIN_DIRECTORY, 'monitor'),
    );
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    const helper = new HelperClient({ clock: systemClock, runDirectory, binDirectory: BIN_DIRECTORY });
    const kernel = new NativeAddressKernel({ netlink: helper, frames: helper, clock: systemClock });
    return { kernel, helper, pid, link: await kernel.link('eth0') };
  }

  const has = (pid: number) =>
    node.run(pid, 'ip', '-o', 'address', 'show', 'dev', 'eth0').includes(` ${address}/`);
  /** What the client believes about who has it; without a question it asks nobody. */
  const believed = () => node.run(client, 'ip', 'neigh', 'show', address, 'dev', 'eth0');
  const connects = () =>
    node.run(
      client,
      process.execPath,
      '-e',
      `require('node:net').connect(9, '${address}').on('error', ({ code }) => console.log(code))`,
    );
  const eventually = async (look: () => boolean) => {
    for (let left = 200; left > 0 && !look(); left--) await sleep(systemClock, 25);
    return look();
  };

  test('is at the one that holds it, alone and as nobody’s own', async () => {
    const [one, two] = machines as [(typeof machines)[0], (typeof machines)[0]];
    expect(await one.kernel.otherHolder(one.link, address)).toBeUndefined();
    await one.kernel.hold(one.link, address, 60);
    await one.kernel.hold(one.link, address, 60);
    const shown = node.run(one.pid, 'ip', '-o', 'address', 'show', 'dev', 'eth0', 'to', address);
    expect(shown).toMatch(/deprecated.*valid_lft (60|59)sec preferred_lft 0sec/s);
    expect(await two.kernel.otherHolder(two.link, address)).toBe(one.link.mac);
    // It answers, and nobody listens there.
    expect(connects()).toBe('ECONNREFUSED\n');
    expect(believed()).toContain(one.link.mac);
  });

  test('moves, and those who knew it are told', async () => {
    const [one, two] = machines as [(typeof machines)[0], (typeof machines)[0]];
    await one.kernel.release(one.link, address);
    await one.kernel.release(one.link, address);
    expect(await two.kernel.otherHolder(two.link, address)).toBeUndefined();
    await two.kernel.hold(two.link, address, 60);
    expect(believed()).toContain(one.link.mac);
    // Linux takes no other MAC within a second of the last word on it (locktime), but from such an announcement.
    await two.kernel.announce(two.link, address);
    expect(await eventually(() => believed().includes(two.link.mac))).toBe(true);
    expect(connects()).toBe('ECONNREFUSED\n');
  });

  test('is taken away by the kernel when nobody says otherwise', async () => {
    const [, two] = machines as [(typeof machines)[0], (typeof machines)[0]];
    await two.kernel.hold(two.link, address, 1);
    const started = performance.now();
    expect(has(two.pid)).toBe(true);
    expect(await eventually(() => !has(two.pid))).toBe(true);
    console.log(`      gone ${Math.round(performance.now() - started)} ms after it was had for 1 s`);
  });

  test('is refused on what is no Ethernet, or not there', async () => {
    const { kernel } = machines[0]!;
    await expect(kernel.link('lo')).rejects.toThrow('none of Ethernet');
    await expect(kernel.link('eth7')).rejects.toThrow('there is no interface eth7 that is up');
  });
});
