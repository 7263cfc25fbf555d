import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { ServiceKind } from '#api/kinds/service.ts';
import { type EndpointSlice, keyOf, type Pod, type Service } from '#api/objects.ts';
import type { Change, Client, Informer } from '#client/contract.ts';
import { startInformer } from '#client/informer.ts';
import { type Clock, sleep, type Timer } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';
import type { NodeNetwork } from '#network/contract.ts';
import { podRecords, serviceRecords } from '#network/dns/records.ts';
import type { Zone } from '#network/dns/zone.ts';
import { hostPortRules } from '#network/services/host-ports.ts';
import { SERVICE_NAME_LABEL, servicePortRules } from '#network/services/rules.ts';
import { ConfigFault } from '../spec/fault.ts';

export interface ServiceSyncOptions {
  client: Client;
  clock: Clock;
  random: Random;
  log: Logger;
  network: Pick<NodeNetwork, 'syncServices'>;
  zone: Zone;
  /** The pods of this node, as the API has them. */
  pods: Informer<Pod>;
  nodeName: string;
  clusterDomain: string;
  signal: AbortSignal;
}

export interface ServiceSync {
  /** Services for environment variables, once the first whole list has come; rejects with ConfigFault after a while. */
  services(): Promise<readonly Service[]>;
  /** Resolves once the rules of the first whole list are in the kernel. */
  readonly synced: Promise<void>;
}

/** Changes within this time reach the kernel together. */
const GATHER_MS = 5;
const RETRY_MS = 1_000;
/** A container with wrong variables would be worse than one that waits, but its pod must be able to end. */
const KNOWN_MS = 10_000;
const BY_SERVICE = 'service';

/** Keeps the kernel's rules of Services and hostPorts, and the DNS zone, like the API says. */
export function syncServices(options: ServiceSyncOptions): ServiceSync {
  return new Sync(options);
}

class Sync implements ServiceSync {
  readonly synced: Promise<void>;
  readonly #options: ServiceSyncOptions;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  #timer: Timer | undefined;
  #working = false;
  #again = false;
  #setSynced!: () => void;

  constructor(options: ServiceSyncOptions) {
    this.#options = options;
    const { client, clock, random, signal, log } = options;
    const onError = (error: unknown) => log.debug('A watch of Services broke', { error: messageOf(error) });
    const common = { client, clock, random, signal, onError };
    const indexes = { [BY_SERVICE]: (slice: EndpointSlice) => [ownerOf(slice)] };
    this.#services = startInformer({ ...common, kind: ServiceKind });
    this.#slices = startInformer({ ...common, kind: EndpointSliceKind, indexes });
    this.synced = new Promise((resolve) => {
      this.#setSynced = resolve;
    });
    // Half a list would take away what still holds from before the agent's restart.
    const { pods } = options;
    void Promise.all([this.#services.synced, this.#slices.synced, pods.synced]).then(() => this.#follow());
  }

  async services(): Promise<readonly Service[]> {
    const { clock, signal } = this.#options;
    const look = new AbortController();
    const late = sleep(clock, KNOWN_MS, AbortSignal.any([look.signal, signal])).then(() => {
      throw new ConfigFault('services have not yet been read at least once, cannot construct envvars');
    });
    // Nobody waits for it any more once the list is there.
    late.catch(() => undefined);
    try {
      await Promise.race([this.#services.synced, late]);
    } finally {
      look.abort();
    }
    return this.#services.list();
  }

  #follow(): void {
    this.#services.onChange(({ object }) => {
      this.#name(keyOf(object));
      this.#plan(GATHER_MS);
    });
    this.#slices.onChange(({ object }) => {
      this.#name(ownerOf(object));
      this.#plan(GATHER_MS);
    });
    this.#options.pods.onChange((change) => {
      this.#namePod(change);
      const before = change.type === 'modified' ? change.previous : change.object;
      if (hasHostPorts(before) || hasHostPorts(change.object)) this.#plan(GATHER_MS);
    });
    this.#options.zone.complete();
    this.#plan(0);
  }

  /** The agent sees its own pods only: names of those on other nodes are answered there, and one node has them all. */
  #namePod({ type, object }: Change<Pod>): void {
    const owner = `pod/${keyOf(object)}`;
    if (type === 'deleted') this.#options.zone.delete(owner);
    else this.#options.zone.set(owner, podRecords(object, this.#options.clusterDomain));
  }

  /** Makes the DNS names of one Service be what its objects say. */
  #name(key: string): void {
    const service = this.#services.get(key);
    const owner = `service/${key}`;
    if (!service) this.#options.zone.delete(owner);
    else {
      const slices = this.#slices.byIndex(BY_SERVICE, key);
      this.#options.zone.set(owner, serviceRecords(service, slices, this.#options.clusterDomain));
    }
  }

  #plan(delayMs: number): void {
    this.#timer ??= this.#options.clock.timer(delayMs, () => {
      this.#timer = undefined;
      void this.#apply();
    });
  }

  async #apply(): Promise<void> {
    this.#again = true;
    if (this.#working) return;
    this.#working = true;
    const { network, nodeName, pods, log, signal } = this.#options;
    while (this.#again && !signal.aborted) {
      this.#again = false;
      try {
        const rules = servicePortRules(this.#services.list(), this.#slices.list(), nodeName);
        await network.syncServices([...rules, ...pods.list().flatMap(hostPortRules)]);
        this.#setSynced();
      } catch (error) {
        log.warn('Service rules could not be applied and are tried again', { error: messageOf(error) });
        this.#plan(RETRY_MS);
      }
    }
    this.#working = false;
  }
}

/** `namespace/name` of the Service a slice belongs to. */
function ownerOf({ metadata }: EndpointSlice): string {
  return `${metadata.namespace}/${metadata.labels?.[SERVICE_NAME_LABEL] ?? ''}`;
}

/** Whether its changes can change rules: most pods have none, and change often. */
function hasHostPorts(pod: Pod): boolean {
  return hostPortRules(pod).length > 0;
}
