/** The whole cluster in one process: every part runs behind a switch that crashes and restarts it. */
import { apiServer } from '#apiserver/server.ts';
import type { Client } from '#client/contract.ts';
import { restClient } from '#client/rest.ts';
import { controllersComponent } from '#controllers/framework/component.ts';
import { roster } from '#controllers/index.ts';
import type { Clock } from '#machinery/clock.ts';
import { settle, VirtualClock } from '#machinery/clock-virtual.ts';
import { silentLogger } from '#machinery/log.ts';
import { type Random, seededRandom } from '#machinery/random.ts';
import { generatedDescriptions, generatedSchemas } from '#machinery/schema/load.ts';
import type { Transport } from '#machinery/transport.ts';
import { schedulerComponent } from '#scheduler/scheduler.ts';
import type { Store } from '#store/contract.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { type Disk, gatedStore, goodDisk } from './gated-store.ts';
import { calm, link, type Weather } from './link.ts';
import { SimulatedNode } from './node.ts';
import { type Skew, skewedClock } from './skewed-clock.ts';

/** Makes the store, which stays when servers crash. */
export type StoreFactory = (clock: VirtualClock) => Store;

/** Something that can crash and come back. */
interface Part {
  name: string;
  weather: Weather;
  /** How wrong its clock is. */
  skew: Skew;
  start(signal: AbortSignal): Promise<unknown>;
  /** Undefined while it is down. */
  crash: AbortController | undefined;
}

const NODES = 3;
const SERVERS = 2;
/** How long `gantry up` waits before it starts a server again. */
const RESTART_MS = 500;
const ADMIN = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };

export class Cluster {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly store: Store;
  readonly disk: Disk = goodDisk();
  readonly nodes: SimulatedNode[];
  /** In the order they are started. */
  readonly parts: Part[];
  /** The ways of people to the server. */
  readonly userWeather = calm();
  /** What happened, for people. */
  readonly told: string[] = [];
  readonly #servers: ({ transport: Transport; ended: AbortSignal } | undefined)[] = [];

  constructor(seed: number, storeOf: StoreFactory = (clock) => new MemoryStore({ clock })) {
    this.random = seededRandom(seed);
    this.store = storeOf(this.clock);
    this.nodes = Array.from({ length: NODES }, (_, i) => new SimulatedNode(`node-${i}`, this.clock));
    const manager = 'system:kube-controller-manager';
    const common = { random: this.random, log: silentLogger };
    this.parts = [
      ...Array.from({ length: SERVERS }, (_, i) =>
        this.#part(`apiserver-${i}`, (signal, { clock }) => this.#serve(i, clock, signal)),
      ),
      this.#part('controllers', (signal, { clock, weather }) =>
        controllersComponent(roster({ clusterCa: 'PEM', clusterCidrs: ['10.244.0.0/16'] })).start(
          { ...common, clock, clientFor: () => this.client(manager, [], weather, signal), freeze: true },
          signal,
        ),
      ),
      this.#part('scheduler', (signal, { clock, weather }) => {
        const client = this.client('system:kube-scheduler', [], weather, signal);
        return schedulerComponent.start({ ...common, clock, client }, signal);
      }),
      ...this.nodes.map((node) =>
        this.#part(node.name, (signal, { clock, weather }) => {
          const client = this.client(`system:node:${node.name}`, ['system:nodes'], weather, signal);
          return node.start({ client, clock, random: this.random, signal });
        }),
      ),
    ];
  }

  /** Notes what happens now. */
  tell(what: string): void {
    this.told.push(`${(this.clock.monotonic() / 1000).toFixed(3).padStart(9)} s  ${what}`);
  }

  /** Of somebody who may do everything, over the ways of people. */
  get admin(): Client {
    return this.client(ADMIN.name, ADMIN.groups, this.userWeather, new AbortController().signal);
  }

  /** Starts what is down. A part that cannot start yet, as an agent without a server, goes on trying by itself. */
  up(): void {
    for (const part of this.parts) {
      if (part.crash) continue;
      const crash = new AbortController();
      part.crash = crash;
      part.start(crash.signal).catch((error) => {
        // What crashed while it started ends with an error of its own.
        if (!crash.signal.aborted) throw error;
      });
    }
  }

  crash(part: Part): void {
    part.crash?.abort(new Error('crashed'));
    part.crash = undefined;
  }

  /** Everything whole again: no weather, all parts up. */
  heal(): void {
    for (const { weather, skew } of this.parts) {
      Object.assign(weather, calm());
      skew.ms = 0;
    }
    Object.assign(this.userWeather, calm());
    Object.assign(this.disk, goodDisk());
    this.up();
  }

  down(): void {
    for (const part of this.parts) this.crash(part);
  }

  async run(ms: number): Promise<void> {
    for (let i = 0; i < TURNS; i++) await settle();
    await this.clock.advance(ms);
    for (let i = 0; i < TURNS; i++) await settle();
  }

  client(name: string, groups: string[], weather: Weather, signal: AbortSignal): Client {
    const identity = { name, groups: [...groups, 'system:authenticated'] };
    const { clock, random } = this;
    // Each has a server that it asks first, and goes to another when that is away.
    const first = name.length % SERVERS;
    const server = () => this.#servers[first] ?? this.#servers.find((one) => one !== undefined);
    const transport = link({ clock, random, identity, weather, server, signal });
    return restClient({ transport, clock: this.clock, userAgent: 'simulator' });
  }

  #part(name: string, start: (signal: AbortSignal, means: Means) => Promise<unknown>): Part {
    const weather = calm();
    const skew = { ms: 0 };
    const means = { weather, clock: skewedClock(this.clock, skew) };
    return { name, weather, skew, start: (signal) => start(signal, means), crash: undefined };
  }

  async #serve(index: number, clock: Clock, signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => {
      this.#servers[index] = undefined;
    });
    const { store, disk, random } = this;
    const onFailure = () => this.#failed(`apiserver-${index}`, signal);
    const server = await apiServer.start(
      {
        ...{ clock, random, log: silentLogger, schemas: SCHEMAS, descriptions: generatedDescriptions },
        store: gatedStore({ store, disk, clock: this.clock, signal, onFailure }),
        config: {
          ...{ cluster: 'sim', serviceCidr: '10.96.0.0/16', nodePorts: { from: 30_000, to: 32_767 } },
          sharedStore: true,
        },
      },
      signal,
    );
    if (!signal.aborted) this.#servers[index] = { transport: server.transport(), ended: signal };
    await server.ready;
  }

  /** A server whose store has failed ends, and is started again. */
  #failed(name: string, signal: AbortSignal): void {
    const part = this.parts.find((one) => one.name === name)!;
    if (signal.aborted || part.crash?.signal !== signal) return;
    this.tell(`${name} ends: its store has failed`);
    queueMicrotask(() => this.crash(part));
    this.clock.timer(RESTART_MS, () => this.up());
  }
}

/** What a part is given of its place in the cluster. */
interface Means {
  weather: Weather;
  clock: Clock;
}

/** Turns of the event loop in which work that waits for nothing comes to rest. */
const TURNS = 5;

const SCHEMAS = generatedSchemas();
