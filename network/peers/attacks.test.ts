import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_VXLAN } from '#api/cluster-settings.ts';
import { addressBytes, parseAddress } from '#machinery/values/cidr.ts';
import { type LabPod, makeLab, type NetworkLab } from '../netlink/testing/lab.ts';
import { whyNoKernel } from '../netlink/testing/namespaces.ts';
import { vtepMac } from './plan.ts';

/** Attacks on the ways between nodes that must fail: each is tried as the network is, and once more without the one defence. */

const skip = whyNoKernel();
const script = (name: string) => fileURLToPath(new URL(`../netlink/testing/${name}`, import.meta.url));
const ECHO_PORT = 8080;
const REPLY_PORT = 4444;
/** Longer than a packet takes here by far. */
const SILENCE_MS = 1_000;

describe.skipIf(skip)(`attacks: nodes (${skip ?? 'as root'})`, () => {
  let lab: NetworkLab;
  let attacker: LabPod;
  let victim: LabPod;
  let forged: LabPod;

  beforeAll(async () => {
    lab = await makeLab({ pods: [4] });
    await lab.meet();
    attacker = await lab.a.pod('attacker');
    forged = await lab.b.pod('forged');
    victim = await lab.c.pod('victim');
    const echo = [script('echo.js'), 'victim', String(ECHO_PORT)];
    await ready(lab.a.node.start(victim.pid, process.execPath, ...echo));
  });
  afterAll(() => lab?.close());

  const ready = (child: ReturnType<NetworkLab['a']['node']['start']>) =>
    new Promise<string>((resolve) => child.stdout!.once('data', (text) => resolve(String(text).trim())));

  /** What the pod whose address was forged hears, after `send`: the victim's answer to somebody else's packet. */
  async function heard(send: () => void): Promise<string> {
    const child = lab.a.node.start(
      ...[forged.pid, process.execPath, script('datagram.js'), 'wait', String(REPLY_PORT)],
    );
    await ready(child);
    const answer = ready(child);
    send();
    const silence = new Promise<string>((resolve) => setTimeout(() => resolve('nothing'), SILENCE_MS));
    const said = await Promise.race([answer, silence]);
    child.kill('SIGKILL');
    return said;
  }

  test('a pod sends another node a VXLAN packet of its own making, in the name of another pod', async () => {
    const to = lab.c.peer.addresses[0]!;
    const bytes = vxlanPacket(vtepMac(to), forged.addresses[0]!, victim.addresses[0]!).toString('hex');
    const send = () => {
      lab.a.node.run(
        ...[attacker.pid, process.execPath, script('datagram.js'), 'send', to, String(DEFAULT_VXLAN.port)],
        bytes,
      );
    };
    expect(await heard(send), 'as the network is').toBe('nothing');
    lab.a.node.run(lab.a.node.pid, 'nft', 'flush', 'chain', 'ip', 'gantry-tst001', 'filter-prerouting');
    expect(await heard(send), 'without its defence').toBe(`victim ${forged.addresses[0]}`);
    expect(await lab.a.network.audit()).toEqual([expect.stringContaining('filter-prerouting')]);
    expect(await heard(send), 'mended').toBe('nothing');
  });
});

/** A UDP packet between pods as nodes wrap it. Source: RFC 7348, RFC 791, RFC 768. */
function vxlanPacket(mac: string, from: string, to: string): Buffer {
  const header = Buffer.from([0x08, 0, 0, 0, 0, 0, DEFAULT_VXLAN.id, 0]);
  const ethernet = Buffer.from(`${mac.replaceAll(':', '')}0a59000000010800`, 'hex');
  const text = Buffer.from('?');
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(REPLY_PORT, 0);
  udp.writeUInt16BE(ECHO_PORT, 2);
  // Without a checksum, as IPv4 lets it.
  udp.writeUInt16BE(udp.length + text.length, 4);
  const ip = Buffer.alloc(20);
  ip.set([0x45, 0, 0, ip.length + udp.length + text.length, 0, 0, 0, 0, 64, 17]);
  ip.set(addressBytes(parseAddress(from)!), 12);
  ip.set(addressBytes(parseAddress(to)!), 16);
  ip.writeUInt16BE(checksum(ip), 10);
  return Buffer.concat([header, ethernet, ip, udp, text]);
}

function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
