import { randomBytes } from 'node:crypto';
import { mustRun, run } from './run.ts';

/**
 * A host of a test: a network namespace with an address of its own and no route out. What runs in it cannot send a
 * packet to anything outside.
 */
export class TestHost {
  readonly name = `gantry-test-${randomBytes(4).toString('hex')}`;
  readonly address = '198.51.100.10';

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

  async remove(): Promise<void> {
    await run('ip', ['netns', 'delete', this.name]);
  }
}

/** Why tests that need a kernel cannot run here; undefined when they can. */
export function whyNoHost(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'needs root for namespaces';
}
