import { EventKind } from '#api/kinds/event.ts';
import { defineController } from '../framework/define.ts';
import { planEvent } from './plan.ts';

export const eventTtlController = defineController({
  name: 'event-ttl-controller',
  for: EventKind,
  reads: [],
  writes: [EventKind],
  wakes: [],
  plan: (_key, event, _view, now) => (event ? planEvent(event, now) : { actions: [] }),
});
