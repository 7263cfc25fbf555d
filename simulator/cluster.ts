/** The whole cluster in one process: every part runs behind a switch that crashes and restarts it. */
import { apiServer } from '#apiserver/server.ts';
import type { Client } from '#client/contract.ts';
import { restClient } from '#client/rest.ts';
import { controllersComponent } from '#controllers/framework/component.ts';
import { roster } from '#controllers/index.ts';
import { settle, VirtualClock } from '#machinery/clock-virtual.ts';
import { silentLogger } from '#machinery/log.ts';
import { type Random, seededRandom } from '#machinery/random.ts';
import { generatedDescriptions, generatedSchemas } from '#machinery/schema/load.ts';
import type { Transport } from '#machinery/transport.ts';
import { schedulerComponent } from '#scheduler/scheduler.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { type Disk, gatedStore } from './gated-store.ts';
import { calm, link, type Weather } from './link.ts';
import { SimulatedNode } from './node.ts';

/** Something that can crash and come back. */
interface Part {
  name: string;
  weather: Weather;
  start(signal: AbortSignal): Promise<unknown>;
  /** Undefined while it is down. */
  crash: AbortController | undefined;
}

const NODES = 3;
const ADMIN = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };

export class Cluster {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly store: MemoryStore;
  readonly disk: Disk = { slowMs: 0 };
  readonly nodes: SimulatedNode[];
  /** In the order they are started. */
  readonly parts: Part[];
  /** The ways of people to the server. */
  readonly userWeather = calm();
  #server: { transport: Transport; ended: AbortSignal } | undefined;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.store = new MemoryStore({ clock: this.clock });
    this.nodes = Array.from(
      { length: NODES },
      (_, i) => new SimulatedNode(`node-${i}`, this.clock, this.random),
    );
    const manager = 'system:kube-controller-manager';
    const common = { clock: this.clock, random: this.random, log: silentLogger };
    this.parts = [
      this.#part('apiserver', (signal) => this.#serve(signal)),
      this.#part('controllers', (signal, weather) =>
        controllersComponent(roster({ clusterCa: 'PEM', clusterCidrs: ['10.244.0.0/16'] })).start(
          { ...common, clientFor: () => this.client(manager, [], weather, signal), freeze: true },
          signal,
        ),
      ),
      this.#part('scheduler', (signal, weather) => {
        const client = this.client('system:kube-scheduler', [], weather, signal);
        return schedulerComponent.start({ ...common, client }, signal);
      }),
      ...this.nodes.map((node) =>
        this.#part(node.name, (signal, weather) => {
          const client = this.client(`system:node:${node.name}`, ['system:nodes'], weather, signal);
          return node.start(client, signal);
        }),
      ),
    ];
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
    for (const { weather } of this.parts) Object.assign(weather, calm());
    Object.assign(this.userWeather, calm());
    this.disk.slowMs = 0;
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
    const server = () => this.#server;
    const transport = link({ clock: this.clock, identity, weather, server, signal });
    return restClient({ transport, clock: this.clock, userAgent: 'simulator' });
  }

  #part(name: string, start: (signal: AbortSignal, weather: Weather) => Promise<unknown>): Part {
    const weather = calm();
    return { name, weather, start: (signal) => start(signal, weather), crash: undefined };
  }

  async #serve(signal: AbortSignal): Promise<void> {
    const { clock, random } = this;
    signal.addEventListener('abort', () => {
      this.#server = undefined;
    });
    const server = await apiServer.start(
      {
        ...{ clock, random, log: silentLogger, schemas: SCHEMAS, descriptions: generatedDescriptions },
        store: gatedStore(this.store, this.disk, clock, signal),
        config: { cluster: 'sim', serviceCidr: '10.96.0.0/16', nodePorts: { from: 30_000, to: 32_767 } },
      },
      signal,
    );
    if (!signal.aborted) this.#server = { transport: server.transport(), ended: signal };
    await server.ready;
  }
}

/** Turns of the event loop in which work that waits for nothing comes to rest. */
const TURNS = 5;

const SCHEMAS = generatedSchemas();
