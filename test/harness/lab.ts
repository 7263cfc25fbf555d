import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { TestHost } from './host.ts';
import { killHost } from './host-processes.ts';
import { HostSpace } from './host-space.ts';
import { type Delay, startRelay } from './relay.ts';
import { mustRun, run } from './run.ts';

/** Documentation ranges (RFC 5737): nobody has them, and there is no way out to anybody who might. */
const SUBNETS = ['192.0.2', '198.51.100', '203.0.113'];
const FIRST_HOST = 11;

export interface LabOptions {
  hosts: number;
  /** Over how many subnets they are spread, in turn; with more than one there is a router between them. */
  subnets?: number;
  /** The router hides all but the first subnet: who is there can reach that one, by the router's address, and nobody can reach them. */
  nat?: boolean;
  /** Of every wire. */
  mtu?: number;
  /** Names everything that it makes in the kernel; one that nobody has unless it is given. */
  id?: string;
  /** Mounts, control groups and a disk of their own for each host; without it they share the machine's. */
  space?: { directoryOf(at: number): string; diskBytes: number };
}

/** What the switch does to the packets of one host to another, or to those to all others. */
export type Fault = { kind: 'cut' } | { kind: 'lossy'; percent: number } | ({ kind: 'delay' } & Delay);

/** Where a virtual machine is plugged in. */
export interface Tap {
  /** Of the machine's one interface. */
  address: string;
  gateway: string;
  mac: string;
  /** The TAP device, in the namespace where `inside` runs a command line. */
  device: string;
  inside: (command: string, args: readonly string[]) => [string, string[]];
}

/**
 * Several hosts, each a network namespace with an address of its own, on switches that a namespace in the middle holds. That one
 * is the router between the subnets, and has no way out.
 */
export class Lab {
  readonly hosts: readonly LabHost[];
  readonly id: string;
  readonly #middle: string;
  readonly #options: { subnets: number; mtu: number; nat: boolean };

  constructor(options: LabOptions) {
    const {
      id = `gantry-lab-${randomBytes(3).toString('hex')}`,
      subnets = 1,
      mtu = 1500,
      nat = false,
      space,
    } = options;
    this.id = id;
    this.#options = { subnets, mtu, nat };
    if (this.#options.subnets > SUBNETS.length) throw new RangeError(`at most ${SUBNETS.length} subnets`);
    this.#middle = `${id}-m`;
    this.hosts = Array.from({ length: options.hosts }, (_, at) => {
      const subnet = at % this.#options.subnets;
      const name = `${id}-${at + 1}`;
      const own = space && { name, directory: space.directoryOf(at), diskBytes: space.diskBytes };
      const wire = { subnet, middle: this.#middle, mtu: this.#options.mtu };
      return new LabHost(name, `${SUBNETS[subnet]}.${FIRST_HOST + at}`, wire, own && new HostSpace(own));
    });
  }

  async create(): Promise<void> {
    const { subnets, mtu, nat } = this.#options;
    await mustRun('ip', ['netns', 'add', this.#middle]);
    const lines = ['set -e', 'ip link set lo up', 'echo 1 > /proc/sys/net/ipv4/ip_forward'];
    for (let at = 0; at < subnets; at++)
      lines.push(
        // Of its own: else it is the lowest of its ports', and another one with each host or relay that comes or goes.
        `ip link add switch${at} address 02:00:00:00:00:0${at + 1} mtu ${mtu} type bridge`,
        `ip address add ${SUBNETS[at]}.1/24 dev switch${at}`,
        `ip link set switch${at} up`,
      );
    await mustRun('nsenter', [`--net=/run/netns/${this.#middle}`, 'sh', '-c', lines.join('\n')]);
    if (nat)
      await this.#nft(`
        table ip nat {
          chain hide { type nat hook postrouting priority srcnat; oifname "switch0" ip saddr != ${SUBNETS[0]}.0/24 masquerade; }
          chain guard { type filter hook forward priority filter; oifname != "switch0" ct state new drop; }
        }`);
    for (const host of this.hosts) await host.create();
  }

  /** A port for a virtual machine, which counts on behind the hosts: the first one has `at` 0. */
  async tap(at: number): Promise<Tap> {
    const number = this.hosts.length + at;
    const subnet = number % this.#options.subnets;
    const last = FIRST_HOST + number;
    const device = `tap${at}`;
    const inside = (command: string, args: readonly string[]): [string, string[]] => [
      'nsenter',
      [`--net=/run/netns/${this.#middle}`, '--', command, ...args],
    ];
    const script = `
      set -e
      ip tuntap add dev ${device} mode tap
      ip link set ${device} mtu ${this.#options.mtu} master switch${subnet} up`;
    await mustRun(...inside('sh', ['-c', script]));
    return {
      ...{ device, inside, address: `${SUBNETS[subnet]}.${last}`, gateway: `${SUBNETS[subnet]}.1` },
      mac: `52:54:00:00:00:${last.toString(16).padStart(2, '0')}`,
    };
  }

  /** Takes a host's wire out, or puts it back. */
  async cut(host: LabHost, cut = true): Promise<void> {
    const args = ['ip', 'link', 'set', host.port, cut ? 'down' : 'up'];
    await mustRun('nsenter', [`--net=/run/netns/${this.#middle}`, ...args]);
  }

  /**
   * Does something to the packets from one host to another, or to all that it sends, on the switch of the sender: what a host
   * itself sees or counts does not tell. Replaces an earlier fault of the same two, but that a delay and a loss can be together.
   */
  async fault(from: LabHost, to: LabHost | undefined, fault: Fault): Promise<void> {
    await this.heal(from, to, [fault.kind]);
    const chain = chainOf(from, to, fault.kind);
    const whither = to ? `ip daddr ${to.address} ` : '';
    if (fault.kind === 'delay') await this.#startRelay(from, chain, fault);
    // What is lost is lost before it is under way.
    const priority = fault.kind === 'delay' ? 10 : 0;
    await this.#nft(`
      add table netdev faults
      add chain netdev faults ${chain} { type filter hook ingress device ${from.port} priority ${priority}; }
      add rule netdev faults ${chain} ${whither}${verdictOf(fault, chain)}`);
  }

  /** Ends what `fault` has begun between the two; harmless when there is nothing. */
  async heal(
    from: LabHost,
    to: LabHost | undefined,
    kinds: readonly Fault['kind'][] = ['cut', 'delay'],
  ): Promise<void> {
    const { stdout } = await run(...this.#inMiddle('nft', ['list', 'chains', 'netdev']));
    for (const chain of kinds.map((kind) => chainOf(from, to, kind))) {
      // nft 1.0 knows no deletion of what may be missing.
      if (stdout.split(/\s+/).includes(chain))
        await this.#nft(`flush chain netdev faults ${chain}\ndelete chain netdev faults ${chain}`);
      const { code } = await run(...this.#inMiddle('ip', ['link', 'show', chain]));
      if (code === 0) await mustRun(...this.#inMiddle('ip', ['link', 'delete', chain]));
    }
  }

  async remove(): Promise<void> {
    for (const host of this.hosts) await host.remove();
    if (!existsSync(`/run/netns/${this.#middle}`)) return;
    // With its device ends each relay, and with the last of them the namespace.
    const { stdout } = await run(...this.#inMiddle('ip', ['-o', 'link', 'show', 'type', 'tun']));
    for (const [, device] of stdout.matchAll(/^\d+: ([^:@]+)/gm))
      await mustRun(...this.#inMiddle('ip', ['link', 'delete', device!]));
    await mustRun('ip', ['netns', 'delete', this.#middle]);
  }

  /** A port of the sender's switch from which comes late what is sent into it, and which nobody is looked for behind. */
  async #startRelay(from: LabHost, device: string, delay: Delay): Promise<void> {
    await startRelay(`/run/netns/${this.#middle}`, device, delay);
    const quiet = 'learning off flood off mcast_flood off bcast_flood off';
    const script = `
      ip link set ${device} mtu ${this.#options.mtu} master switch${from.subnet}
      ip link set ${device} type bridge_slave ${quiet}
      ip link set ${device} up`;
    await mustRun(...this.#inMiddle('sh', ['-ec', script]));
  }

  async #nft(script: string): Promise<void> {
    await mustRun(...this.#inMiddle('nft', ['-f', '-']), { input: script });
  }

  #inMiddle(command: string, args: readonly string[]): [string, string[]] {
    return ['nsenter', [`--net=/run/netns/${this.#middle}`, '--', command, ...args]];
  }
}

/** The relay of a delay has the name of its chain. */
function verdictOf(fault: Fault, relay: string): string {
  switch (fault.kind) {
    case 'cut':
      return 'drop';
    case 'lossy':
      return `numgen random mod 100 < ${fault.percent} drop`;
    case 'delay':
      return `fwd to ${relay}`;
  }
}

function chainOf(from: LabHost, to: LabHost | undefined, kind: Fault['kind']): string {
  return `${from.port}-${to?.port ?? 'all'}${kind === 'delay' ? '-d' : ''}`;
}

interface Wire {
  subnet: number;
  middle: string;
  mtu: number;
}

/** One host of a lab. */
export class LabHost extends TestHost {
  /** Its end on the switch. */
  readonly port: string;
  readonly space: HostSpace | undefined;
  readonly #wire: Wire;

  constructor(name: string, address: string, wire: Wire, space: HostSpace | undefined) {
    super(name, address);
    this.port = `h${name.split('-').at(-1)}`;
    this.#wire = wire;
    this.space = space;
  }

  get subnet(): number {
    return this.#wire.subnet;
  }

  override inside(command: string, args: readonly string[]): [string, string[]] {
    if (!this.space) return super.inside(command, args);
    return super.inside(...this.space.inside(command, args));
  }

  override async create(): Promise<void> {
    const { middle, mtu, subnet } = this.#wire;
    await mustRun('ip', ['netns', 'add', this.name]);
    await this.space?.create();
    const wire = `
      ip link add ${this.port} mtu ${mtu} type veth peer name uplink mtu ${mtu} netns /run/netns/${this.name}
      ip link set ${this.port} master switch${subnet} up`;
    await mustRun('nsenter', [`--net=/run/netns/${middle}`, 'sh', '-ec', wire]);
    await this.#setUp();
  }

  /**
   * A power cut, and the next start: all its processes are gone, and with them what they had in the kernel; what its disk
   * holds is left. The wire keeps its faults.
   */
  async reboot(): Promise<void> {
    await killHost(this.name);
    const { middle } = this.#wire;
    const aside = `${this.port}-aside`;
    await mustRun('nsenter', [
      `--net=/run/netns/${this.name}`,
      ...['ip', 'link', 'set', 'uplink', 'netns', `/run/netns/${middle}`, 'name', aside],
    ]);
    await mustRun('ip', ['netns', 'delete', this.name]);
    await mustRun('ip', ['netns', 'add', this.name]);
    const back = ['ip', 'link', 'set', aside, 'netns', `/run/netns/${this.name}`, 'name', 'uplink'];
    await mustRun('nsenter', [`--net=/run/netns/${middle}`, ...back]);
    await this.space?.restart();
    await this.#setUp();
  }

  override async remove(): Promise<void> {
    await super.remove();
    await this.space?.remove();
  }

  async #setUp(): Promise<void> {
    const gateway = `${this.address.slice(0, this.address.lastIndexOf('.'))}.1`;
    const script = `
      ip link set lo up
      ip address add ${this.address}/24 dev uplink
      ip link set uplink up
      ip route add default via ${gateway}`;
    await mustRun(...super.inside('sh', ['-ec', script]));
  }
}
