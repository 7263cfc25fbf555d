import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { AUTHORITIES, authorityState, TRUSTED } from '#api/semantics/authorities.ts';
import type { Client } from '#client/contract.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { bundleHash } from '#machinery/pki/bundle.ts';
import type { Servers } from './servers.ts';

interface TrustDeps {
  servers: Pick<Servers, 'trusted' | 'trust'>;
  client: Client;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** Name of the Node. */
  node: string;
}

const RETRY_MS = 1_000;

/** Has this node trust the authorities that the servers tell of, and says so on its Node: none is dropped before. */
export class TrustFollower {
  readonly #deps: TrustDeps;
  #wanted: string | undefined;
  #working = false;

  constructor(deps: TrustDeps) {
    this.#deps = deps;
  }

  /** `hash`: of the authorities to trust; undefined: none was ever replaced. */
  told(hash: string | undefined): void {
    if (hash === undefined || hash === this.#wanted) return;
    this.#wanted = hash;
    if (!this.#working) void this.#follow();
  }

  async #follow(): Promise<void> {
    const { clock, log, signal } = this.#deps;
    this.#working = true;
    for (let done: string | undefined; done !== this.#wanted && !signal.aborted; ) {
      const hash = this.#wanted!;
      try {
        await this.#take(hash);
        done = hash;
      } catch (error) {
        if (signal.aborted) break;
        log.warn('The authorities of the cluster could not be taken over', { error: messageOf(error) });
        await sleep(clock, RETRY_MS, signal).catch(() => {}); // only the abort ends it early
      }
    }
    this.#working = false;
  }

  async #take(hash: string): Promise<void> {
    const { servers, client, node, log } = this.#deps;
    if (bundleHash(servers.trusted()) !== hash) {
      const state = authorityState((await client.get(ConfigMapKind, AUTHORITIES)).data);
      // Another one may have come meanwhile, of which the servers will tell.
      if (state && bundleHash(state.bundle) === hash) await servers.trust(state.bundle);
      if (bundleHash(servers.trusted()) !== hash) throw new Error('they are not there yet');
      log.info('Other authorities of servers are trusted', { hash });
    }
    const body = { metadata: { annotations: { [TRUSTED]: hash } } };
    await client.patch(NodeKind, { name: node }, { type: 'merge', body });
  }
}
