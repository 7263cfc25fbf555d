/**
 * One priority level: the seats it has in use, and whoever waits for one. Each flow waits in a queue of its own, and the
 * queue that has been given least goes next, measured in seats (start-time fair queuing): a flow gets its share however
 * much another one sends. Kubernetes deals flows onto a fixed number of queues instead; a flow may hold as many places
 * here as it could there.
 */
import type { PriorityLevel } from './configuration.ts';
import type { Ticket } from './ticket.ts';

export interface Limits {
  exempt: boolean;
  /** The seats it is meant to have. */
  nominal: number;
  /** What is never lent to other levels, and the most it may hold with what it borrows. */
  own: number;
  most: number;
  /** Seats that one request may take. */
  widest: number;
  /** Undefined: nobody waits, who finds no seat is refused. */
  queues: { flows: number; ofOneFlow: number; inAll: number } | undefined;
}

interface Queue {
  flows: string[];
  tickets: Ticket[];
  /** Seats given so far, on the level's scale: the least is next. */
  given: number;
}

export class Level {
  readonly name: string;
  uid: string | undefined;
  limits: Limits;
  /** No longer configured: it ends with the last of its requests. */
  quiescing = false;
  seats = 0;
  waiting = 0;
  readonly running = new Set<Ticket>();
  #queues: Queue[] = [];
  readonly #queueOf = new Map<string, Queue>();
  /** What the queue that was served last had been given by then. */
  #progress = 0;

  constructor({ name, uid }: PriorityLevel, limits: Limits) {
    this.name = name;
    this.uid = uid;
    this.limits = limits;
  }

  /** Seats beyond those it never lends. */
  get borrowed(): number {
    return Math.max(0, this.seats - this.limits.own);
  }

  /** False when the queue of its flow, or all of them together, are full. */
  enqueue(ticket: Ticket): boolean {
    const { queues } = this.limits;
    if (!queues || this.waiting >= queues.inAll) return false;
    const queue = this.#queueOf.get(ticket.flow) ?? this.#newQueue(ticket.flow, queues.flows);
    if (queue.tickets.length >= queues.ofOneFlow) return false;
    queue.tickets.push(ticket);
    this.waiting++;
    return true;
  }

  #newQueue(flow: string, most: number): Queue {
    let queue: Queue | undefined;
    if (this.#queues.length < most) {
      queue = { flows: [], tickets: [], given: this.#progress };
      this.#queues.push(queue);
    } else queue = this.#queues.reduce((a, b) => (b.tickets.length < a.tickets.length ? b : a));
    queue.flows.push(flow);
    this.#queueOf.set(flow, queue);
    return queue;
  }

  /** Whose turn it is; undefined when nobody waits. */
  next(): Ticket | undefined {
    return this.#nextQueue()?.tickets[0];
  }

  #nextQueue(): Queue | undefined {
    let next: Queue | undefined;
    for (const queue of this.#queues)
      if (queue.tickets.length > 0 && (!next || queue.given < next.given)) next = queue;
    return next;
  }

  /** Takes the ticket whose turn it is out of its queue. */
  take(): Ticket {
    const queue = this.#nextQueue()!;
    const ticket = queue.tickets.shift()!;
    this.#progress = queue.given;
    queue.given += ticket.seats;
    this.#left();
    return ticket;
  }

  /** Lets go of a ticket that waits no longer. */
  remove(ticket: Ticket): void {
    const tickets = this.#queueOf.get(ticket.flow)!.tickets;
    tickets.splice(tickets.indexOf(ticket), 1);
    this.#left();
  }

  /** An empty queue is kept while it is ahead of the others: who asks for one thing at a time must not always be next. */
  #left(): void {
    this.waiting--;
    const kept = this.#queues.filter(
      ({ tickets, given }) => this.waiting > 0 && (tickets.length > 0 || given > this.#progress),
    );
    if (kept.length === this.#queues.length) return;
    for (const queue of this.#queues)
      if (!kept.includes(queue)) for (const flow of queue.flows) this.#queueOf.delete(flow);
    this.#queues = kept;
  }

  /** For those who look into it: the tickets of each queue in order, and what the queue has been given. */
  queues(): { tickets: readonly Ticket[]; given: number }[] {
    return this.#queues.map(({ tickets, given }) => ({ tickets: [...tickets], given }));
  }
}
