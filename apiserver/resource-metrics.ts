/**
 * metrics.k8s.io: what nodes and pods use. Nobody samples while nobody asks: agents are read when somebody does, and what
 * they counted is compared with the time before. Source: Kubernetes, "Resource metrics pipeline"; metrics-server.
 */
import { resourceName } from '#api/kind.ts';
import { NodeMetricsKind, PodMetricsKind } from '#api/kinds/metrics.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { AGENT_PATHS, type NodeLink, type NodeUse, type PodUse } from '#api/node-link.ts';
import type { Node, NodeMetrics, PodMetrics } from '#api/objects.ts';
import { type Clock, rfc3339, sleep } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';
import { collect } from '#machinery/transport.ts';
import { formatGoDuration } from '#machinery/values/duration.ts';
import type { ObjectReader, ResourceHandler } from './contract.ts';

interface Parts {
  link: NodeLink;
  objects: ObjectReader;
  clock: Clock;
  log: Logger;
}

/** What a node said, and when, in ms. */
interface Reading {
  at: number;
  use: NodeUse;
}

interface Interval {
  before: Reading;
  now: Reading;
}

/** Two readings this far apart tell a rate. */
const SHORTEST_MS = 1000;
/** What was counted longer ago says little of now. */
const LONGEST_MS = 120_000;
/** A node that does not answer by then is left out, and one that says more: hundreds of pods are a tenth of it. */
const ANSWER_WITHIN_MS = 5000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

export function resourceMetricsHandlers(parts: Parts): readonly ResourceHandler[] {
  const sampler = new Sampler(parts);
  return [
    {
      resource: resourceName(NodeMetricsKind),
      objects: async () =>
        [...(await sampler.intervals())].map(([node, interval]) => nodeMetrics(parts, node, interval)),
    },
    {
      resource: resourceName(PodMetricsKind),
      objects: async () =>
        [...(await sampler.intervals())].flatMap(([node, interval]) => podMetrics(parts, node, interval)),
    },
  ];
}

class Sampler {
  readonly #parts: Parts;
  #readings = new Map<string, Reading>();
  #running: Promise<Map<string, Interval>> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** By node. Those who ask at once share one look. */
  intervals(): Promise<Map<string, Interval>> {
    this.#running ??= this.#look().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #look(): Promise<Map<string, Interval>> {
    const { clock } = this.#parts;
    const isUseful = ({ at }: Reading) => {
      const age = clock.monotonic() - at;
      return age >= SHORTEST_MS && age <= LONGEST_MS;
    };
    let before = this.#readings;
    let now = await this.#readAll();
    const isNew = [...now.keys()].some((node) => !before.has(node) || !isUseful(before.get(node)!));
    if (isNew) {
      before = now;
      await sleep(clock, SHORTEST_MS);
      now = await this.#readAll();
    }
    this.#readings = now;
    const known = [...now].filter(([node]) => before.has(node));
    return new Map(known.map(([node, reading]) => [node, { before: before.get(node)!, now: reading }]));
  }

  async #readAll(): Promise<Map<string, Reading>> {
    const { objects } = this.#parts;
    const names = objects.list(NodeKind).map(({ metadata }) => metadata.name);
    const readings = names.map(async (name) => [name, await this.#read(name)] as const);
    const answered = (await Promise.all(readings)).filter(([, reading]) => reading !== undefined);
    return new Map(answered as (readonly [string, Reading])[]);
  }

  async #read(node: string): Promise<Reading | undefined> {
    const { link, clock, log } = this.#parts;
    const abort = new AbortController();
    const timer = clock.timer(ANSWER_WITHIN_MS, () => abort.abort());
    try {
      const request = { method: 'GET', path: AGENT_PATHS.stats, headers: {}, signal: abort.signal };
      const { body } = await link.open(node, 'interactive').request(request);
      const use: unknown = JSON.parse(Buffer.from(await collect(body, MAX_ANSWER_BYTES)).toString());
      if (!isUse(use)) throw new Error('what the node says is not what it uses');
      return { at: clock.monotonic(), use };
    } catch (error) {
      // One node that cannot be read must not hide the others.
      log.debug('a node did not tell what it uses', { node, error });
      return undefined;
    } finally {
      timer.cancel();
    }
  }
}

/** As far as it is made use of. */
function isUse(value: unknown): value is NodeUse {
  const { machine, pods } = (value ?? {}) as Partial<NodeUse>;
  const isPod = (pod: Partial<PodUse> | null) =>
    typeof pod?.namespace === 'string' &&
    typeof pod.name === 'string' &&
    Array.isArray(pod.containers) &&
    pod.containers.every((container) => typeof container?.name === 'string' && isCounted(container));
  return isCounted(machine) && Array.isArray(pods) && pods.every(isPod);
}

function isCounted(value: Partial<Counted> | undefined): boolean {
  return Number.isFinite(value?.cpuNanoseconds) && Number.isFinite(value?.workingSetBytes);
}

function nodeMetrics({ objects, clock }: Parts, node: string, { before, now }: Interval): NodeMetrics {
  const labels = objects.get<Node>(NodeKind, node)?.metadata.labels;
  const seen = lookOf(clock, before.at, now.at);
  return {
    apiVersion: 'metrics.k8s.io/v1beta1',
    kind: 'NodeMetrics',
    metadata: { name: node, creationTimestamp: seen.timestamp, ...(labels && { labels }) },
    ...seen,
    usage: usageOf(before.use.machine, now.use.machine, now.at - before.at),
  };
}

/** A node is believed in what it says of its own pods alone. */
function podMetrics({ objects, clock }: Parts, node: string, { before, now }: Interval): PodMetrics[] {
  const keyOf = ({ namespace, name }: PodUse) => `${namespace}/${name}`;
  const earlier = new Map(before.use.pods.map((pod) => [keyOf(pod), pod]));
  const seen = lookOf(clock, before.at, now.at);
  return now.use.pods.flatMap((pod) => {
    const old = earlier.get(keyOf(pod));
    const containers = pod.containers.flatMap((container) => {
      const earliest = old?.containers.find(({ name }) => name === container.name);
      // A container that was started anew counts from nothing.
      if (!earliest || earliest.cpuNanoseconds > container.cpuNanoseconds) return [];
      return { name: container.name, usage: usageOf(earliest, container, now.at - before.at) };
    });
    const { namespace, name } = pod;
    const known = objects.get(PodKind, name, namespace);
    if (containers.length === 0 || known?.spec?.nodeName !== node) return [];
    const { labels } = known.metadata;
    const metadata = { name, namespace, creationTimestamp: seen.timestamp, ...(labels && { labels }) };
    return { apiVersion: 'metrics.k8s.io/v1beta1', kind: 'PodMetrics', metadata, ...seen, containers };
  });
}

function lookOf(clock: Clock, from: number, to: number): { timestamp: string; window: string } {
  return { timestamp: rfc3339(clock.now()), window: formatGoDuration(Math.round(to - from)) };
}

interface Counted {
  cpuNanoseconds: number;
  workingSetBytes: number;
}

/** In the units that metrics-server has: billionths of a core, and KiB. */
function usageOf(before: Counted, now: Counted, ms: number): Record<string, string> {
  const cores = ((now.cpuNanoseconds - before.cpuNanoseconds) / ms) * 1000;
  return { cpu: `${Math.max(0, Math.round(cores))}n`, memory: `${Math.round(now.workingSetBytes / 1024)}Ki` };
}
