import type { RequestContext } from '../contract.ts';
import type { FlowSchema } from './configuration.ts';
import type { Counts } from './counts.ts';
import type { Level } from './level.ts';

/** A request that has been let in, or waits to be: it holds `seats` of its level until it is finished. */
export class Ticket {
  readonly level: Level;
  readonly schema: FlowSchema;
  readonly seats: number;
  readonly context: RequestContext;
  readonly counts: Counts;
  /** Tells who waits that its turn has come. */
  begin: (() => void) | undefined;
  arrivedMs = 0;
  flow = '';

  constructor(level: Level, schema: FlowSchema, seats: number, context: RequestContext, counts: Counts) {
    this.level = level;
    this.schema = schema;
    this.seats = seats;
    this.context = context;
    this.counts = counts;
    this.begin = undefined;
  }
}
