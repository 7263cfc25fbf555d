import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NodeKind } from '#api/kinds/node.ts';
import {
  AUTHORITIES,
  type AuthorityName,
  type AuthorityState,
  authorityState,
  CERTIFIED_BY,
  TRUST,
  TRUSTED,
} from '#api/semantics/authorities.ts';
import type { Client } from '#client/contract.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { bundleHash, certificatesIn } from '#machinery/pki/bundle.ts';
import { isSignedBy, keyHashOf } from '#machinery/pki/certificate.ts';
import { renewCertificate } from './registration/certificate.ts';
import type { Servers } from './servers.ts';

interface TrustDeps {
  servers: Pick<Servers, 'trusted' | 'trust' | 'held' | 'keep'>;
  client: Client;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** Name of the Node. */
  node: string;
}

const RETRY_MS = 1_000;
/** Each try to be certified leaves a request behind. */
const LONGEST_RETRY_MS = 300_000;

/** Brings about what was told last, trying again until it is so. */
class Follower {
  readonly #deps: TrustDeps;
  readonly #take: (wanted: string) => Promise<void>;
  readonly #longestRetryMs: number;
  #wanted: string | undefined;
  #working = false;

  constructor(deps: TrustDeps, longestRetryMs: number, take: (wanted: string) => Promise<void>) {
    this.#deps = deps;
    this.#longestRetryMs = longestRetryMs;
    this.#take = take;
  }

  /** undefined: there is nothing to follow. */
  told(wanted: string | undefined): void {
    if (wanted === undefined || wanted === this.#wanted) return;
    this.#wanted = wanted;
    if (!this.#working) void this.#follow();
  }

  async #follow(): Promise<void> {
    const { clock, log, signal } = this.#deps;
    this.#working = true;
    let delayMs = RETRY_MS;
    for (let done: string | undefined; done !== this.#wanted && !signal.aborted; ) {
      const wanted = this.#wanted!;
      try {
        await this.#take(wanted);
        done = wanted;
      } catch (error) {
        if (signal.aborted) break;
        log.warn('The authorities of the cluster could not be taken over', { error: messageOf(error) });
        await sleep(clock, delayMs, signal).catch(() => {}); // only the abort ends it early
        delayMs = Math.min(delayMs * 2, this.#longestRetryMs);
      }
    }
    this.#working = false;
  }
}

/**
 * Has this node trust the authorities that the servers tell of, and be certified by the one that issues now; says both on its Node: none is
 * dropped before.
 */
export class TrustFollower {
  readonly #deps: TrustDeps;
  readonly #trust: Follower;
  readonly #certificate: Follower;

  constructor(deps: TrustDeps) {
    this.#deps = deps;
    this.#trust = new Follower(deps, RETRY_MS, (hash) => this.#takeTrust(hash));
    this.#certificate = new Follower(deps, LONGEST_RETRY_MS, (hash) => this.#takeCertificate(hash));
  }

  /** `annotations`: of the endpoints of the servers. */
  told(annotations: Record<string, string> | undefined): void {
    this.#trust.told(annotations?.[TRUST]);
    this.#certificate.told(annotations?.[CERTIFIED_BY]);
  }

  /** `hash`: of the authorities to trust. */
  async #takeTrust(hash: string): Promise<void> {
    const { servers, log } = this.#deps;
    if (bundleHash(servers.trusted()) !== hash) {
      const state = await this.#state('server-ca');
      // Another one may have come meanwhile, of which the servers will tell.
      if (state && bundleHash(state.bundle) === hash) await servers.trust(state.bundle);
      if (bundleHash(servers.trusted()) !== hash) throw new Error('they are not there yet');
      log.info('Other authorities of servers are trusted', { hash });
    }
    await this.#say(TRUSTED, hash);
  }

  /** `hash`: of the key of the authority to be certified by. */
  async #takeCertificate(hash: string): Promise<void> {
    const { servers, node } = this.#deps;
    const [authority] = certificatesIn((await this.#state('client-ca'))?.bundle ?? '');
    if (authority === undefined || keyHashOf(authority) !== hash)
      throw new Error('the authority of clients is not there yet');
    const isOfIt = () => isSignedBy(servers.held().certificate, authority);
    if (!isOfIt()) await renewCertificate(node, { ...this.#deps, keep: servers.keep });
    if (!isOfIt()) throw new Error("this node's certificate is of another authority yet");
    await this.#say(CERTIFIED_BY, hash);
  }

  async #state(name: AuthorityName): Promise<AuthorityState | undefined> {
    return authorityState((await this.#deps.client.get(ConfigMapKind, AUTHORITIES)).data, name);
  }

  async #say(annotation: string, value: string): Promise<void> {
    const { client, node } = this.#deps;
    const body = { metadata: { annotations: { [annotation]: value } } };
    await client.patch(NodeKind, { name: node }, { type: 'merge', body });
  }
}
