import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mustRun, run } from './run.ts';

/**
 * A host of a test: a network namespace with an address of its own and no route out. What runs in it cannot send a
 * packet to anything outside.
 */
export class TestHost {
  readonly name: string;
  readonly address: string;

  constructor(name = `gantry-test-${randomBytes(4).toString('hex')}`, address = '198.51.100.10') {
    this.name = name;
    this.address = address;
  }

  async create(): Promise<void> {
    await mustRun('ip', ['netns', 'add', this.name]);
    const script = `
      set -e
      ip link set lo up
      ip link add uplink type bridge
      ip address add ${this.address}/24 dev uplink
      ip link set uplink up`;
    await mustRun('sh', ['-c', `nsenter --net=/run/netns/${this.name} sh -c '${script}'`]);
  }

  /** A command line that runs inside; `ip netns exec` would hide the cgroups. */
  inside(command: string, args: readonly string[]): [string, string[]] {
    return ['nsenter', [`--net=/run/netns/${this.name}`, '--', command, ...args]];
  }

  /**
   * A machine beside the host, on the same wire and outside the cluster. Returns how a command runs on it.
   */
  async neighbour(
    address: string,
  ): Promise<(command: string, args: readonly string[]) => [string, string[]]> {
    const name = `${this.name}-n`;
    await mustRun('ip', ['netns', 'add', name]);
    const script = `
      set -e
      ip link add wire type veth peer name eth0 netns /run/netns/${name}
      ip link set wire master uplink up
      nsenter --net=/run/netns/${name} sh -c "ip link set lo up; ip address add ${address}/24 dev eth0; ip link set eth0 up"`;
    await mustRun(...this.inside('sh', ['-c', script]));
    return (command, args) => ['nsenter', [`--net=/run/netns/${name}`, '--', command, ...args]];
  }

  /** What is in the host's network besides what this class made: nothing, when all has been cleared away. */
  async traces(): Promise<string[]> {
    const script = `
      ip -o link | awk -F'[:@ ]+' '$2 != "lo" && $2 != "uplink" && $2 != "wire" { print "link", $2 }'
      nft list tables
      { ip -4 route show table all; ip -6 route show table all; } | grep -E '^(unreachable|blackhole|prohibit)' | grep -v 'dev lo'
      ip rule | awk '$NF != "local" && $NF != "main" && $NF != "default" { print "rule", $0 }'
      ip -o address show dev lo | awk '$4 != "127.0.0.1/8" && $4 != "::1/128" { print "address", $4 }'
      true`;
    const found = await mustRun(...this.inside('sh', ['-c', script]));
    return found.split('\n').filter((line) => line !== '');
  }

  async remove(): Promise<void> {
    await run('ip', ['netns', 'delete', this.name]);
    if (existsSync(`/run/netns/${this.name}-n`)) await run('ip', ['netns', 'delete', `${this.name}-n`]);
  }
}

/** Why tests that need a kernel cannot run here; undefined when they can. */
export function whyNoHost(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'needs root for namespaces';
}
