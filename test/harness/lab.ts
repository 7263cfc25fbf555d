import { randomBytes } from 'node:crypto';
import { TestHost } from './host.ts';
import { mustRun, run } from './run.ts';

/** Documentation ranges (RFC 5737): nobody has them, and there is no way out to anybody who might. */
const SUBNETS = ['192.0.2', '198.51.100', '203.0.113'];
const FIRST_HOST = 11;

export interface LabOptions {
  hosts: number;
  /** Over how many subnets they are spread, in turn; with more than one there is a router between them. */
  subnets?: number;
  /** Of every wire. */
  mtu?: number;
  /** Names everything that it makes in the kernel; one that nobody has unless it is given. */
  id?: string;
}

/** What the switch does to the packets of one host to another, or to those of all others. */
export type Fault = { kind: 'cut' } | { kind: 'lossy'; percent: number };

/**
 * Several hosts, each a network namespace with an address of its own, on switches that a namespace in the middle holds. That one
 * is the router between the subnets, and has no way out.
 */
export class Lab {
  readonly hosts: readonly LabHost[];
  readonly id: string;
  readonly #middle: string;
  readonly #options: { subnets: number; mtu: number };

  constructor(options: LabOptions) {
    const { id = `gantry-lab-${randomBytes(3).toString('hex')}`, subnets = 1, mtu = 1500 } = options;
    this.id = id;
    this.#options = { subnets, mtu };
    if (this.#options.subnets > SUBNETS.length) throw new RangeError(`at most ${SUBNETS.length} subnets`);
    this.#middle = `${id}-m`;
    this.hosts = Array.from({ length: options.hosts }, (_, at) => {
      const subnet = at % this.#options.subnets;
      return new LabHost(
        `${id}-${at + 1}`,
        `${SUBNETS[subnet]}.${FIRST_HOST + at}`,
        subnet,
        this.#middle,
        this.#options.mtu,
      );
    });
  }

  async create(): Promise<void> {
    const { subnets, mtu } = this.#options;
    await mustRun('ip', ['netns', 'add', this.#middle]);
    const lines = ['set -e', 'ip link set lo up', 'echo 1 > /proc/sys/net/ipv4/ip_forward'];
    for (let at = 0; at < subnets; at++)
      lines.push(
        `ip link add switch${at} mtu ${mtu} type bridge`,
        `ip address add ${SUBNETS[at]}.1/24 dev switch${at}`,
        `ip link set switch${at} up`,
      );
    await mustRun('nsenter', [`--net=/run/netns/${this.#middle}`, 'sh', '-c', lines.join('\n')]);
    for (const host of this.hosts) await host.create();
  }

  /** Takes a host's wire out, or puts it back. */
  async cut(host: LabHost, cut = true): Promise<void> {
    const args = ['ip', 'link', 'set', host.port, cut ? 'down' : 'up'];
    await mustRun('nsenter', [`--net=/run/netns/${this.#middle}`, ...args]);
  }

  /**
   * Does something to the packets from one host to another, or to all that it sends, on the switch of the sender: what a host
   * itself sees or counts does not tell. Replaces an earlier fault of the same two.
   */
  async fault(from: LabHost, to: LabHost | undefined, fault: Fault): Promise<void> {
    await this.heal(from, to);
    const loss = fault.kind === 'lossy' ? `numgen random mod 100 < ${fault.percent} ` : '';
    const chain = chainOf(from, to);
    const whither = to ? `ip daddr ${to.address} ` : '';
    await this.#nft(`
      add table bridge faults
      add chain bridge faults ${chain} { type filter hook prerouting priority 0; }
      add rule bridge faults ${chain} iifname ${from.port} ${whither}${loss}drop`);
  }

  /** Ends what `fault` has begun between the two; harmless when there is nothing. */
  async heal(from: LabHost, to: LabHost | undefined): Promise<void> {
    const chain = chainOf(from, to);
    // Made before it is deleted: nft 1.0 knows no deletion of what may be missing.
    const added = `add table bridge faults\nadd chain bridge faults ${chain} { type filter hook prerouting priority 0; }`;
    await this.#nft(`${added}\nflush chain bridge faults ${chain}\ndelete chain bridge faults ${chain}`);
  }

  async #nft(script: string): Promise<void> {
    await mustRun('nsenter', [`--net=/run/netns/${this.#middle}`, 'nft', '-f', '-'], { input: script });
  }

  async remove(): Promise<void> {
    for (const host of this.hosts) await host.remove();
    await run('ip', ['netns', 'delete', this.#middle]);
  }
}

function chainOf(from: LabHost, to: LabHost | undefined): string {
  return `${from.port}-${to?.port ?? 'all'}`;
}

/** One host of a lab. */
export class LabHost extends TestHost {
  /** Its end on the switch. */
  readonly port: string;
  readonly #subnet: number;
  readonly #middle: string;
  readonly #mtu: number;

  constructor(name: string, address: string, subnet: number, middle: string, mtu: number) {
    super(name, address);
    this.port = `h${name.split('-').at(-1)}`;
    this.#subnet = subnet;
    this.#middle = middle;
    this.#mtu = mtu;
  }

  override async create(): Promise<void> {
    await mustRun('ip', ['netns', 'add', this.name]);
    const gateway = `${this.address.slice(0, this.address.lastIndexOf('.'))}.1`;
    const wire = `
      set -e
      ip link add ${this.port} mtu ${this.#mtu} type veth peer name uplink mtu ${this.#mtu} netns /run/netns/${this.name}
      ip link set ${this.port} master switch${this.#subnet} up`;
    await mustRun('nsenter', [`--net=/run/netns/${this.#middle}`, 'sh', '-c', wire]);
    const inside = `
      set -e
      ip link set lo up
      ip address add ${this.address}/24 dev uplink
      ip link set uplink up
      ip route add default via ${gateway}`;
    await mustRun(...this.inside('sh', ['-c', inside]));
  }
}
