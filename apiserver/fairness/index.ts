/**
 * Priority and fairness: no more requests are worked on at once than the server can bear, and nobody's flood holds up
 * others. A request takes seats of its priority level; who finds none waits in a queue of its flow, for a bounded time.
 * Seats that a level lends are taken by whoever needs them and come back as requests end. Source: Kubernetes, "API
 * Priority and Fairness" (flowcontrol.apiserver.k8s.io/v1).
 */
import type { Clock, Timer } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { RequestContext } from '../contract.ts';
import { Classifier, distinguisherOf } from './classify.ts';
import {
  BUILT_IN,
  CATCH_ALL,
  type FairnessConfiguration,
  type FlowSchema,
  MANDATORY,
  type PriorityLevel,
} from './configuration.ts';
import { Counts, type Refusal } from './counts.ts';
import { Level } from './level.ts';
import { limitsOf } from './limits.ts';
import { Ticket } from './ticket.ts';

/** Source: kube-apiserver, --max-requests-inflight and --max-mutating-requests-inflight together. */
export const DEFAULT_CONCURRENCY = 600;

/** Source: kube-apiserver, a quarter of --request-timeout. */
const LONGEST_WAIT_MS = 15_000;

/** Where the requests of a flow schema go. */
interface Route {
  level: Level;
  counts: Counts;
}

export class Fairness {
  readonly #clock: Clock;
  readonly #concurrency: number;
  readonly #levels = new Map<string, Level>();
  readonly #counts = new Map<string, Counts>();
  #classifier!: Classifier;
  #routes!: ReadonlyMap<FlowSchema, Route>;
  /** Seats that levels lend, and how many of them are taken. */
  #lent = 0;
  #borrowed = 0;
  #waiting = 0;

  constructor(parts: { clock: Clock; concurrency?: number; configuration?: FairnessConfiguration }) {
    this.#clock = parts.clock;
    this.#concurrency = parts.concurrency ?? DEFAULT_CONCURRENCY;
    this.configure(parts.configuration ?? BUILT_IN);
  }

  /**
   * Takes a new configuration; requests that run or wait go on where they are. The catch-all level and schema are there
   * in any case. A schema of a level that is not there is passed over.
   */
  configure(configuration: FairnessConfiguration): void {
    const levels = withMandatory(configuration.levels, MANDATORY.levels);
    const limits = limitsOf(levels, this.#concurrency);
    for (const [name, level] of this.#levels) {
      level.quiescing = !limits.has(name);
      if (level.quiescing && level.running.size === 0 && level.waiting === 0) this.#levels.delete(name);
    }
    for (const level of levels) this.#set(level, limits.get(level.name)!);
    const schemas = withMandatory(configuration.schemas, MANDATORY.schemas).filter(({ spec }) =>
      limits.has(spec.priorityLevelConfiguration.name),
    );
    this.#routes = new Map(schemas.map((schema) => [schema, this.#routeOf(schema)]));
    this.#classifier = new Classifier(schemas, schemas.find(({ name }) => name === CATCH_ALL)!);
    this.#lent = 0;
    this.#borrowed = 0;
    for (const { limits, borrowed, quiescing } of this.#levels.values()) {
      if (!limits.exempt && !quiescing) this.#lent += limits.nominal - limits.own;
      this.#borrowed += borrowed;
    }
    this.#dispatch();
  }

  #set(level: PriorityLevel, limits: Level['limits']): void {
    const known = this.#levels.get(level.name);
    if (!known) this.#levels.set(level.name, new Level(level, limits));
    else Object.assign(known, { limits, uid: level.uid });
  }

  #routeOf({ name, spec }: FlowSchema): Route {
    const level = this.#levels.get(spec.priorityLevelConfiguration.name)!;
    const key = `${level.name}/${name}`;
    const counts = this.#counts.get(key) ?? new Counts(level.name, name);
    this.#counts.set(key, counts);
    return { level, counts };
  }

  /**
   * A place for a request of an estimated cost; a promise of one when it has to wait. Refused with TooManyRequests when
   * there is no room to wait in, or after too long a wait. `finish` gives it back.
   */
  admit(context: RequestContext, seats: number): Ticket | Promise<Ticket> {
    const schema = this.#classifier.classify(context.identity, context.info);
    const { level, counts } = this.#routes.get(schema)!;
    const ticket = new Ticket(level, schema, Math.min(seats, level.limits.widest), context, counts);
    context.place = ticket;
    if (level.waiting === 0 && this.#fits(ticket)) {
      this.#start(ticket);
      return ticket;
    }
    return this.#wait(ticket);
  }

  finish(ticket: Ticket): void {
    const { level, counts, seats } = ticket;
    const before = level.borrowed;
    level.seats -= seats;
    level.running.delete(ticket);
    this.#borrowed += level.borrowed - before;
    counts.executing--;
    counts.seats -= seats;
    if (this.#waiting > 0) this.#dispatch();
  }

  #fits({ level, seats }: Ticket): boolean {
    const { own, most, nominal } = level.limits;
    const after = level.seats + seats;
    if (after <= own) return true;
    const more = after - Math.max(own, level.seats);
    // A level that is idle works on one request, however small its part is, unless it is meant to have none.
    const isFirst = level.seats === 0 && nominal > 0;
    return isFirst || (after <= most && this.#borrowed + more <= this.#lent);
  }

  #start(ticket: Ticket): void {
    const { level, counts, seats } = ticket;
    const before = level.borrowed;
    level.seats += seats;
    level.running.add(ticket);
    this.#borrowed += level.borrowed - before;
    counts.executing++;
    counts.seats += seats;
    counts.dispatched++;
  }

  #wait(ticket: Ticket): Promise<Ticket> {
    const { level, schema, context, counts } = ticket;
    const { identity, info, signal } = context;
    if (signal.aborted) throw refusal(counts, 'cancelled');
    if (!level.limits.queues) throw refusal(counts, 'concurrency-limit');
    ticket.flow = `${schema.name}/${distinguisherOf(schema, identity, info)}`;
    ticket.arrivedMs = this.#clock.monotonic();
    if (!level.enqueue(ticket)) throw refusal(counts, 'queue-full');
    this.#waiting++;
    counts.waiting++;
    return new Promise((resolve, reject) => {
      let timer: Timer;
      const leave = () => {
        timer.cancel();
        signal.removeEventListener('abort', cancel);
        this.#waiting--;
        counts.waiting--;
      };
      const giveUp = (reason: Refusal) => {
        leave();
        level.remove(ticket);
        counts.waitedInVain.observe(this.#secondsSince(ticket));
        reject(refusal(counts, reason));
        // What waited behind it may need fewer seats.
        this.#dispatch();
      };
      const cancel = () => giveUp('cancelled');
      timer = this.#clock.timer(LONGEST_WAIT_MS, () => giveUp('time-out'));
      signal.addEventListener('abort', cancel, { once: true });
      ticket.begin = () => {
        leave();
        counts.waited.observe(this.#secondsSince(ticket));
        resolve(ticket);
      };
    });
  }

  #secondsSince({ arrivedMs }: Ticket): number {
    return (this.#clock.monotonic() - arrivedMs) / 1000;
  }

  /** Gives free seats to those who wait, the level first that has least of what it is meant to have. */
  #dispatch(): void {
    while (this.#waiting > 0) {
      let neediest: Level | undefined;
      let least = Number.POSITIVE_INFINITY;
      for (const level of this.#levels.values()) {
        const next = level.waiting > 0 ? level.next() : undefined;
        const used = level.seats / Math.max(1, level.limits.nominal);
        if (!next || used >= least || !this.#fits(next)) continue;
        neediest = level;
        least = used;
      }
      if (!neediest) return;
      const ticket = neediest.take();
      this.#start(ticket);
      ticket.begin?.();
    }
  }

  /** In order of name. */
  levels(): Level[] {
    return [...this.#levels.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  counts(): Iterable<Counts> {
    return this.#counts.values();
  }
}

function withMandatory<T extends { name: string }>(given: readonly T[], mandatory: readonly T[]): T[] {
  return [...given, ...mandatory.filter(({ name }) => !given.some((each) => each.name === name))];
}

function refusal(counts: Counts, reason: Refusal): StatusError {
  counts.refused[reason]++;
  return new StatusError('TooManyRequests', 'Too many requests, please try again later.', {
    retryAfterSeconds: 1,
  });
}
