import type { Why } from '#api/why.ts';
import type { Client } from '#client/contract.ts';
import { runElection } from '#client/leases.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';
import type { AddressKernel, EthernetLink } from '#network/virtual-address/kernel.ts';
import { isAnnounced, kernelSeconds, LEASE_MS, RENEW_DEADLINE_MS, RETRY_MS } from './term.ts';

export interface KeeperDeps {
  client: Client;
  clock: Clock;
  random: Random;
  log: Logger;
  kernel: AddressKernel;
  /** The node's name: a server that was started anew goes on with what it had. */
  identity: string;
  /** Name of the interface where the address belongs now, or why there is none. */
  linkOf(): { link: string } | { why: string };
  /** Whether this server answers requests: of one that does not, another one takes over. */
  isReady(): Promise<boolean>;
  /** Accepts connections there; called when the address has come. */
  serve(address: string): Promise<void>;
  /** Ends the connections that were made there; called before the address goes, or after it was lost. */
  leave(address: string): Promise<void>;
  /** What people are told. */
  tell(type: 'Normal' | 'Warning', why: Why): void;
}

const READY_EVERY_MS = 1_000;
/** Who has not been heard to be ready for so long is not. */
const READY_FOR_MS = 3_000;
const RELEASE_MS = 2_000;
/** After the address could not be had, others get their turn. */
const PAUSE_MS = 10_000;

/** Has the address while this server is ready and its lease is renewed; see `run`. */
export class AddressKeeper {
  readonly #address: string;
  readonly #deps: KeeperDeps;
  #readyAt = Number.NEGATIVE_INFINITY;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #untilMs = 0;
  #onRenewed: () => void = () => {};
  #isHeld = false;
  #taken = 0;
  #fault = '';

  constructor(address: string, deps: KeeperDeps) {
    this.#address = address;
    this.#deps = deps;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** How often this server has taken it. */
  get taken(): number {
    return this.#taken;
  }

  /** Until the signal aborts; then the address is handed on. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, clock, random, identity, log } = this.#deps;
    void this.#watchReadiness(signal);
    await runElection(
      {
        ...{ client, clock, random, identity, namespace: 'kube-system', name: leaseName(this.#address) },
        ...{ leaseMs: LEASE_MS, renewDeadlineMs: RENEW_DEADLINE_MS, retryMs: RETRY_MS },
        isFit: () => this.#isFit(),
        onRenewed: (untilMs) => {
          this.#untilMs = untilMs;
          this.#onRenewed();
        },
        onError: (error) =>
          log.debug('The lease could not be had', { address: this.#address, error: messageOf(error) }),
      },
      signal,
      (leading) => this.#take(leading),
    );
  }

  #isFit(): boolean {
    const now = this.#deps.clock.monotonic();
    return now - this.#readyAt < READY_FOR_MS && now >= this.#pausedUntil;
  }

  async #watchReadiness(signal: AbortSignal): Promise<void> {
    const { clock, isReady } = this.#deps;
    while (!signal.aborted) {
      const askedAt = clock.monotonic();
      this.#readyAt = (await isReady()) ? askedAt : Number.NEGATIVE_INFINITY;
      await sleep(clock, READY_EVERY_MS, signal).catch(() => undefined); // the end
    }
  }

  /** While the lease is ours. Whatever goes wrong, the address goes, and the lease with it. */
  async #take(leading: AbortSignal): Promise<void> {
    const { kernel, linkOf } = this.#deps;
    let link: EthernetLink | undefined;
    try {
      const place = linkOf();
      if ('why' in place) return this.#pause('VirtualAddressMisplaced', place.why);
      link = await this.#inTime(kernel.link(place.link));
      const other = await this.#inTime(kernel.otherHolder(link, this.#address));
      if (other)
        return this.#pause(
          'VirtualAddressConflict',
          `another machine on ${link.name} has ${this.#address}: ${other}`,
        );
      await this.#hold(link, leading);
    } catch (error) {
      this.#pause('VirtualAddressFailed', messageOf(error));
    } finally {
      if (link) await this.#release(link);
    }
  }

  async #hold(link: EthernetLink, leading: AbortSignal): Promise<void> {
    const { clock, kernel, serve, log, tell, identity } = this.#deps;
    for (let renewal = 0; !leading.aborted; renewal++) {
      const renewed = this.#nextRenewal(leading);
      const seconds = kernelSeconds(this.#untilMs, clock.monotonic());
      if (seconds === 0) return;
      await this.#inTime(kernel.hold(link, this.#address, seconds));
      if (renewal === 0) {
        this.#isHeld = true;
        this.#taken++;
        await serve(this.#address);
        log.info('This server has the virtual address', { address: this.#address, interface: link.name });
        this.#fault = '';
        tell('Normal', {
          reason: 'VirtualAddressTaken',
          message: `${this.#address} is on ${link.name} of ${identity} now`,
        });
      }
      if (isAnnounced(renewal)) await this.#inTime(kernel.announce(link, this.#address));
      await renewed;
    }
  }

  /** Resolves with the next renewal, and at the latest when the lease is over. */
  async #nextRenewal(leading: AbortSignal): Promise<void> {
    const renewed = new AbortController();
    this.#onRenewed = () => renewed.abort();
    const { clock } = this.#deps;
    const over = AbortSignal.any([leading, renewed.signal]);
    await sleep(clock, Math.max(this.#untilMs - clock.monotonic(), 0), over).catch(() => undefined);
  }

  /** A kernel's door that hangs must not keep the lease. */
  async #inTime<T>(work: Promise<T>, ms = this.#untilMs - this.#deps.clock.monotonic()): Promise<T> {
    const done = new AbortController();
    const late = sleep(this.#deps.clock, Math.max(ms, 0), done.signal).then(() => {
      throw new Error('the kernel was not reached in time');
    });
    late.catch(() => undefined); // who waits for the work is told
    return await Promise.race([work, late]).finally(() => done.abort());
  }

  /** While nobody else can have it, connections are ended first: what is sent afterwards has no way back. */
  async #release(link: EthernetLink): Promise<void> {
    const { clock, kernel, leave, log } = this.#deps;
    const address = this.#address;
    const wasHeld = this.#isHeld;
    const isOurs = kernelSeconds(this.#untilMs, clock.monotonic()) > 0;
    this.#isHeld = false;
    try {
      if (wasHeld && isOurs) await leave(address);
      await this.#inTime(kernel.release(link, address), RELEASE_MS);
      if (wasHeld && !isOurs) await leave(address);
    } catch (error) {
      log.warn('The kernel takes the virtual address away itself', { address, error: messageOf(error) });
    }
    if (wasHeld) log.info('This server has the virtual address no more', { address });
  }

  /** Told once for as long as it stays the same. */
  #pause(reason: string, message: string): void {
    const { clock, log, tell } = this.#deps;
    this.#pausedUntil = clock.monotonic() + PAUSE_MS;
    if (this.#fault === message) return;
    this.#fault = message;
    log.error('This server cannot have the virtual address', { address: this.#address, why: message });
    tell('Warning', { reason, message });
  }
}

/** Of the Lease in kube-system that says who has it: `virtual-address-192-0-2-100`. */
export function leaseName(address: string): string {
  return `virtual-address-${address.replaceAll(/[^0-9a-f]/g, '-').replace(/-$/, '-0')}`;
}
