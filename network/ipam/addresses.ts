import type { Files } from '#machinery/io.ts';
import {
  addressIndex,
  type Cidr,
  cidrSize,
  formatAddress,
  formatCidr,
  nthAddress,
  parseAddress,
  parseCidr,
} from '#machinery/values/cidr.ts';
import { NetworkError } from '../contract.ts';

/**
 * Addresses of the node's own blocks, given out locally and kept as one small file per sandbox, so that they survive
 * any crash. An address given back is used again only after all others (round robin): late packets and caches do not
 * meet its next owner at once. Invariant: no two records hold the same address.
 */

/** What is kept of a sandbox. */
export interface Lease {
  sandbox: string;
  addresses: string[];
  /** Network namespace it was attached to, so that an audit can mend it. */
  networkNamespace: string;
  /** Grows with each lease: the next address is sought after the newest one's. */
  order: number;
}

/** The network address and the gateway come first in a block and are nobody's. */
const FIRST_INDEX = 2n;
/** What a node can ever hold; bounds the search in an IPv6 block. */
const MAX_SEARCH = 65_536n;
const SANDBOX_NAME = /^[a-z0-9][a-z0-9.-]{0,127}$/;

export class Addresses {
  readonly #files: Files;
  readonly #directory: string;
  readonly #leases = new Map<string, Lease>();
  readonly #used = new Set<string>();
  #blocks: { cidr: Cidr; next: bigint }[] = [];
  #order = 0;

  private constructor(files: Files, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  /**
   * Reads what was given out before. `blocks` are CIDRs, one per family. A damaged record throws NetworkError
   * `InvalidConfig`, naming its file.
   */
  static async open(files: Files, directory: string, blocks: readonly string[]): Promise<Addresses> {
    const addresses = new Addresses(files, directory);
    addresses.#blocks = blocks.map(parseBlock);
    await files.mkdir(directory, 0o700);
    for (const name of await files.list(directory)) {
      const bytes = await files.read(`${directory}/${name}`);
      if (bytes) addresses.#remember(parseLease(bytes, `${directory}/${name}`));
    }
    addresses.#resume();
    return addresses;
  }

  /** The sandbox's addresses, the same ones each time; durable when it resolves. NetworkError `Exhausted`. */
  async lease(sandbox: string, networkNamespace: string): Promise<Lease> {
    if (!SANDBOX_NAME.test(sandbox))
      throw new NetworkError(
        'InvalidConfig',
        `"${sandbox}" cannot name a sandbox: use a-z, 0-9, "-" and "."`,
      );
    const known = this.#leases.get(sandbox);
    if (known?.networkNamespace === networkNamespace) return known;
    const lease: Lease = {
      sandbox,
      addresses: known?.addresses ?? this.#pick(),
      networkNamespace,
      order: known?.order ?? ++this.#order,
    };
    // Held before the file is written, so that two calls at a time cannot pick the same.
    this.#remember(lease);
    try {
      await this.#files.write(this.#path(sandbox), JSON.stringify(lease), 0o600);
    } catch (error) {
      this.#forget(sandbox);
      if (known) this.#remember(known);
      throw error;
    }
    return lease;
  }

  /** Gives the addresses back. Harmless when there are none. */
  async release(sandbox: string): Promise<void> {
    if (!this.#leases.has(sandbox)) return;
    await this.#files.remove(this.#path(sandbox));
    this.#forget(sandbox);
  }

  /** All leases by sandbox. */
  all(): ReadonlyMap<string, Lease> {
    return this.#leases;
  }

  #pick(): string[] {
    return this.#blocks.map((block) => {
      const size = usable(block.cidr);
      const tries = size < MAX_SEARCH ? size : MAX_SEARCH;
      for (let i = 0n; i < tries; i++) {
        const index = FIRST_INDEX + ((block.next - FIRST_INDEX + i) % size);
        const address = formatAddress(nthAddress(block.cidr, index)!);
        if (this.#used.has(address)) continue;
        block.next = index + 1n;
        return address;
      }
      throw new NetworkError(
        'Exhausted',
        `all ${size} pod addresses of ${formatCidr(block.cidr)} are in use: remove pods or give the node a larger block`,
      );
    });
  }

  /** Goes on after the newest lease: an address released before the restart waits for its turn too. */
  #resume(): void {
    const newest = [...this.#leases.values()].sort((a, b) => b.order - a.order)[0];
    this.#order = newest?.order ?? 0;
    for (const text of newest?.addresses ?? []) {
      for (const block of this.#blocks) {
        const index = addressIndex(block.cidr, parseAddress(text)!);
        if (index !== undefined) block.next = index + 1n;
      }
    }
  }

  #remember(lease: Lease): void {
    this.#leases.set(lease.sandbox, lease);
    for (const address of lease.addresses) this.#used.add(address);
  }

  #forget(sandbox: string): void {
    for (const address of this.#leases.get(sandbox)?.addresses ?? []) this.#used.delete(address);
    this.#leases.delete(sandbox);
  }

  #path(sandbox: string): string {
    return `${this.#directory}/${sandbox}`;
  }
}

/** The gateway of a block: its first host address. */
export function gatewayOf(block: string): string {
  return formatAddress(nthAddress(parseBlock(block).cidr, 1)!);
}

function parseBlock(text: string): { cidr: Cidr; next: bigint } {
  const cidr = parseCidr(text);
  if (!cidr || usable(cidr) < 1n)
    throw new NetworkError(
      'InvalidConfig',
      `pod block ${text} is no prefix with room for a pod, as 10.244.0.0/24 is`,
    );
  return { cidr, next: FIRST_INDEX };
}

/** Without network address and gateway, and without the broadcast address of IPv4. */
function usable(cidr: Cidr): bigint {
  return cidrSize(cidr) - FIRST_INDEX - (cidr.family === 4 ? 1n : 0n);
}

function parseLease(bytes: Uint8Array, path: string): Lease {
  try {
    const lease = JSON.parse(new TextDecoder().decode(bytes)) as Lease;
    if (lease.addresses.every((each) => parseAddress(each)) && Number.isInteger(lease.order)) return lease;
  } catch (error) {
    throw new NetworkError('InvalidConfig', `${path} is damaged (${String(error)}): remove it and its pod`);
  }
  throw new NetworkError('InvalidConfig', `${path} is not an address record: remove it and its pod`);
}
