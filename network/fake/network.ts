import { MemoryFiles } from '#machinery/files-memory.ts';
import {
  NetworkError,
  type NodeNetwork,
  type NodeNetworkConfig,
  type NodePeer,
  type PodAttachment,
  type ServicePortRule,
  type UnreachablePeer,
} from '../contract.ts';
import { Addresses, gatewayOf } from '../ipam/addresses.ts';

export type FakeNetworkCall =
  | 'start'
  | 'attach'
  | 'detach'
  | 'syncServices'
  | 'syncPeers'
  | 'audit'
  | 'destroy';

/**
 * A node's network in memory: real address management, no kernel. `failNext` makes the next matching call reject with a
 * NetworkError and change nothing; `rules` are the Service rules as last synced.
 */
export class FakeNetwork implements NodeNetwork {
  readonly calls: FakeNetworkCall[] = [];
  rules: readonly ServicePortRule[] = [];
  /** As last synced. */
  peers: readonly NodePeer[] = [];
  /** What the next audit finds and mends. */
  readonly drift: string[] = [];
  readonly #files: MemoryFiles;
  readonly #failures: { call: FakeNetworkCall; error: NetworkError }[] = [];
  #config: NodeNetworkConfig | undefined;
  #addresses: Addresses | undefined;

  /** `files` outlive a crash of the agent: hand the same to its next FakeNetwork. */
  constructor(files: MemoryFiles = new MemoryFiles()) {
    this.#files = files;
  }

  failNext(call: FakeNetworkCall, error = new NetworkError('Kernel', 'EIO: injected')): void {
    this.#failures.push({ call, error });
  }

  async start(config: NodeNetworkConfig): Promise<void> {
    this.#begin('start');
    this.#addresses = await Addresses.open(this.#files, '/addresses', config.podCidrs);
    this.#config = config;
  }

  gateway(): string[] {
    return this.#started().config.podCidrs.map(gatewayOf);
  }

  async attach(sandbox: string, networkNamespace: string): Promise<PodAttachment> {
    this.#begin('attach');
    const { addresses } = this.#started();
    return this.#attachment((await addresses.lease(sandbox, networkNamespace)).addresses);
  }

  async detach(sandbox: string): Promise<void> {
    this.#begin('detach');
    await this.#started().addresses.release(sandbox);
  }

  async attached(): Promise<Map<string, PodAttachment>> {
    const leases = this.#started().addresses.all();
    return new Map([...leases].map(([sandbox, lease]) => [sandbox, this.#attachment(lease.addresses)]));
  }

  async syncServices(rules: readonly ServicePortRule[]): Promise<void> {
    this.#begin('syncServices');
    this.#started();
    this.rules = structuredClone(rules);
  }

  async syncPeers(peers: readonly NodePeer[]): Promise<UnreachablePeer[]> {
    this.#begin('syncPeers');
    this.#started();
    this.peers = structuredClone(peers);
    return peers
      .filter(({ addresses }) => addresses.length === 0)
      .map(({ name }) => ({ name, why: 'it has no address' }));
  }

  async audit(): Promise<string[]> {
    this.#begin('audit');
    this.#started();
    return this.drift.splice(0);
  }

  async destroy(): Promise<void> {
    this.#begin('destroy');
    await this.#files.remove('/addresses');
    this.#addresses = undefined;
    this.#config = undefined;
    this.rules = [];
    this.peers = [];
  }

  #attachment(addresses: string[]): PodAttachment {
    return { addresses, gateway: this.gateway()[0]!, interface: 'eth0' };
  }

  #started(): { config: NodeNetworkConfig; addresses: Addresses } {
    if (!this.#config || !this.#addresses)
      throw new NetworkError('Unavailable', 'the network was not started');
    return { config: this.#config, addresses: this.#addresses };
  }

  #begin(call: FakeNetworkCall): void {
    this.calls.push(call);
    const at = this.#failures.findIndex((each) => each.call === call);
    if (at >= 0) throw this.#failures.splice(at, 1)[0]!.error;
  }
}
