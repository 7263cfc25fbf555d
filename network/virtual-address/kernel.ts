import { type Clock, sleep } from '#machinery/clock.ts';
import { parseAddress } from '#machinery/values/cidr.ts';
import { NetworkError } from '../contract.ts';
import { exchange, NETLINK_ROUTE, perform, type Request } from '../netlink/connection.ts';
import type { Frames, Netlink } from '../netlink/contract.ts';
import { isErrno } from '../netlink/errors.ts';
import {
  answered,
  askNeighbour,
  deleteLeasedAddress,
  forgetNeighbour,
  newLeasedAddress,
} from '../netlink/leased-address.ts';
import { dumpNeighbours } from '../netlink/overlay.ts';
import { getLink, parseLink } from '../netlink/route.ts';
import { announcement } from './announce.ts';

/** A link of the node, as the kernel numbers it, and its own MAC. */
export interface EthernetLink {
  name: string;
  index: number;
  mac: string;
}

/** What is done in the kernel for an address that one of several machines has at a time. */
export interface AddressKernel {
  /** Throws NetworkError `InvalidConfig` for one that is not there, is down, or speaks no Ethernet. */
  link(name: string): Promise<EthernetLink>;
  /** MAC of another machine on the link that says it has the address. */
  otherHolder(link: EthernetLink, address: string): Promise<string | undefined>;
  /** The link has the address from now on for so many seconds, after which the kernel takes it away; again: from now on. */
  hold(link: EthernetLink, address: string, seconds: number): Promise<void>;
  /** Harmless when the link does not have it. */
  release(link: EthernetLink, address: string): Promise<void>;
  /** Tells all on the link that the address is here now. */
  announce(link: EthernetLink, address: string): Promise<void>;
}

/** Who has an address answers within milliseconds; whoever takes it must not wait long for one that is not there. */
const ASK_MS = 200;
const LOOK_EVERY_MS = 25;

export class NativeAddressKernel implements AddressKernel {
  readonly #netlink: Netlink;
  readonly #frames: Frames;
  readonly #clock: Clock;

  constructor({ netlink, frames, clock }: { netlink: Netlink; frames: Frames; clock: Clock }) {
    this.#netlink = netlink;
    this.#frames = frames;
    this.#clock = clock;
  }

  async link(name: string): Promise<EthernetLink> {
    const [answer] = await exchange(this.#netlink, NETLINK_ROUTE, [getLink(name)]);
    if (answer?.error && !isErrno(answer.error, 'ENODEV')) throw answer.error;
    const found = answer?.messages.map(parseLink).find((each) => each !== undefined);
    if (!found?.up) throw new NetworkError('InvalidConfig', `there is no interface ${name} that is up`);
    const { index, mac } = found;
    if (!/^(..:){5}..$/.test(mac) || /^[0:]+$/.test(mac))
      throw new NetworkError('InvalidConfig', `the interface ${name} is none of Ethernet`);
    return { name, index, mac };
  }

  async otherHolder({ index }: EthernetLink, address: string): Promise<string | undefined> {
    await this.#forget(index, address);
    await this.#do(askNeighbour(index, address));
    const { family } = parseAddress(address)!;
    const endMs = this.#clock.monotonic() + ASK_MS;
    let mac: string | undefined;
    while (mac === undefined && this.#clock.monotonic() < endMs) {
      await sleep(this.#clock, LOOK_EVERY_MS);
      const answers = await perform(this.#netlink, NETLINK_ROUTE, [dumpNeighbours(family)]);
      mac = answered(
        answers.flatMap(({ messages }) => messages),
        index,
        address,
      );
    }
    await this.#forget(index, address);
    return mac;
  }

  async hold({ index }: EthernetLink, address: string, seconds: number): Promise<void> {
    await this.#do(newLeasedAddress(index, address, seconds));
  }

  async release({ index }: EthernetLink, address: string): Promise<void> {
    await this.#do(deleteLeasedAddress(index, address), 'EADDRNOTAVAIL', 'ENODEV');
  }

  async announce({ index, mac }: EthernetLink, address: string): Promise<void> {
    await this.#frames.transmit(index, announcement(mac, parseAddress(address)!));
  }

  async #forget(index: number, address: string): Promise<void> {
    await this.#do(forgetNeighbour(index, address), 'ENOENT');
  }

  async #do(request: Request, ...fine: string[]): Promise<void> {
    const [answer] = await exchange(this.#netlink, NETLINK_ROUTE, [request]);
    if (answer?.error && !isErrno(answer.error, ...fine)) throw answer.error;
  }
}
