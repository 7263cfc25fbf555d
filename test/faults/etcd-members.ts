import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun, run } from '../harness/run.ts';

const CLIENT_PORT = 2379;
const PEER_PORT = 2380;

/** A member of etcd on a host of its own. */
export interface Member {
  endpoint: string;
  address: string;
  namespace: string;
  child: ChildProcess | undefined;
}

/** Three members, each in a network namespace of its own, on a wire that leads nowhere else. */
export class EtcdMembers {
  readonly #name = `gantry-etcd-${randomBytes(4).toString('hex')}`;
  readonly #directory = mkdtempSync(join(tmpdir(), 'gantry-members-'));
  readonly members: Member[] = [1, 2, 3].map((n) => ({
    address: `198.51.100.${n}`,
    endpoint: `198.51.100.${n}:${CLIENT_PORT}`,
    namespace: `${this.#name}-${n}`,
    child: undefined,
  }));

  /** A command line that runs on the wire, beside the members. */
  inside(command: string, args: readonly string[]): [string, string[]] {
    return ['nsenter', [`--net=/run/netns/${this.#name}`, '--', command, ...args]];
  }

  async create(): Promise<void> {
    await mustRun('ip', ['netns', 'add', this.#name]);
    await this.#script(
      this.#name,
      'ip link set lo up; ip link add hub type bridge; ip address add 198.51.100.100/24 dev hub; ip link set hub up',
    );
    for (const [i, { namespace, address }] of this.members.entries()) {
      await mustRun('ip', ['netns', 'add', namespace]);
      await this.#script(
        this.#name,
        `ip link add m${i} type veth peer name eth0 netns /run/netns/${namespace}; ip link set m${i} master hub up`,
      );
      await this.#script(
        namespace,
        `ip link set lo up; ip address add ${address}/24 dev eth0; ip link set eth0 up`,
      );
    }
    for (const member of this.members) this.start(member);
  }

  /** Starts a member (again), on the data it has. */
  start(member: Member): void {
    const client = `http://${member.endpoint}`;
    const peerOf = ({ address }: Member) => `http://${address}:${PEER_PORT}`;
    const nameOf = ({ address }: Member) => `m${address.split('.')[3]}`;
    const args = [
      ...['--data-dir', join(this.#directory, nameOf(member)), '--logger', 'zap', '--log-level', 'fatal'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peerOf(member), '--initial-advertise-peer-urls', peerOf(member)],
      ...['--name', nameOf(member), '--heartbeat-interval', '100', '--election-timeout', '1000'],
      ...['--initial-cluster', this.members.map((one) => `${nameOf(one)}=${peerOf(one)}`).join()],
    ];
    const all = [`--net=/run/netns/${member.namespace}`, '--', 'etcd', ...args];
    member.child = spawn('nsenter', all, { stdio: 'ignore' });
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(member: Member): Promise<void> {
    const { child } = member;
    member.child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** From now on it hears nothing of the other members, and they nothing of it; clients reach it still. */
  async cutOff(member: Member): Promise<void> {
    const others = this.members.filter((one) => one !== member).map(({ address }) => address);
    const set = `{ ${others.join(', ')} }`;
    await this.#script(
      member.namespace,
      `nft add table ip cut
       nft 'add chain ip cut in { type filter hook input priority 0; }'
       nft 'add chain ip cut out { type filter hook output priority 0; }'
       nft 'add rule ip cut in ip saddr ${set} drop'
       nft 'add rule ip cut out ip daddr ${set} drop'`,
    );
  }

  async mend(member: Member): Promise<void> {
    await this.#script(member.namespace, 'nft delete table ip cut');
  }

  /** Ends everything and removes every trace. */
  async remove(): Promise<void> {
    for (const member of this.members) {
      member.child?.kill('SIGCONT');
      await this.kill(member);
    }
    for (const name of [this.#name, ...this.members.map(({ namespace }) => namespace)])
      await run('ip', ['netns', 'delete', name]);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #script(namespace: string, script: string): Promise<string> {
    return mustRun('nsenter', [`--net=/run/netns/${namespace}`, '--', 'sh', '-ec', script]);
  }
}
