import type { RequestChain } from './chain.ts';
import { type HttpListener, type ListenAddress, listenHttps, type TlsFiles } from './http/index.ts';

const EVERYWHERE = new Set(['0.0.0.0', '::']);

type Parts = Parameters<typeof listenHttps>[3];

/** Where the server listens: at addresses that it has from its start on, and such as come later. */
export class Listeners {
  readonly #chain: RequestChain;
  readonly #parts: Parts;
  #tls: TlsFiles | undefined;
  #all: HttpListener[] = [];
  /** With the ports that were chosen. */
  readonly addresses: ListenAddress[] = [];

  /** Without `tls` it listens nowhere. */
  constructor(chain: RequestChain, tls: TlsFiles | undefined, parts: Parts) {
    this.#chain = chain;
    this.#tls = tls;
    this.#parts = parts;
  }

  /** Rejects where the address is not this machine's or its port is taken. One that is heard already stays as it is. */
  async open(address: ListenAddress): Promise<void> {
    if (!this.#tls || (address.port !== 0 && this.#hears(address))) return;
    const listener = await listenHttps(this.#chain, this.#tls, address, this.#parts);
    this.#all.push(listener);
    this.addresses.push(listener.address);
  }

  renew(tls: TlsFiles): void {
    this.#tls = tls;
    for (const listener of this.#all) listener.renew(tls);
  }

  drain(): void {
    for (const listener of this.#all) listener.drain();
  }

  /** See HttpListener. */
  async leave(host: string): Promise<void> {
    await Promise.all(this.#all.map((listener) => listener.leave(host)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.splice(0).map((listener) => listener.close()));
  }

  /** A socket for all addresses of IPv6 hears those of IPv4 too; one of IPv4 does not hear those of IPv6. */
  #hears({ host, port }: ListenAddress): boolean {
    return this.addresses.some(
      (one) =>
        one.port === port &&
        (one.host === host || (EVERYWHERE.has(one.host) && (one.host === '::' || !host.includes(':')))),
    );
  }
}
