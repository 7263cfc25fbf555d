import type { Kind } from '../kind.ts';
import type { ApiObject, Event, EventsEvent } from '../objects.ts';
import { checkStrictEvent, checkStrictEventUpdate } from '../validation/event.ts';
import { Faults } from '../validation/faults.ts';
import { EventKind } from './event.ts';

/** The view of events in group events.k8s.io: the same objects with fields renamed, stored as core events. */
export const EventsEventKind: Kind<EventsEvent> = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  singular: 'event',
  shortNames: ['ev'],
  namespaced: true,
  schema: 'io.k8s.api.events.v1.Event',
  storedAs: { group: '', version: 'v1', plural: 'events', toStored, fromStored },
  strategy: {
    validate: (event) => EventKind.strategy.validate(toStored(event)),
    validateCreate(event) {
      const faults = new Faults();
      checkStrictEvent(toStored(event), faults);
      return faults.list;
    },
    validateUpdate(event, old) {
      const faults = new Faults();
      checkStrictEventUpdate(toStored(event), toStored(old), faults);
      return faults.list;
    },
  },
  columns: EventKind.columns.map((column) => ({
    ...column,
    cell: (event, now) => column.cell(toStored(event), now),
  })),
  selectableFields: {
    'regarding.kind': (event) => event.regarding?.kind ?? '',
    'regarding.namespace': (event) => event.regarding?.namespace ?? '',
    'regarding.name': (event) => event.regarding?.name ?? '',
    'regarding.uid': (event) => event.regarding?.uid ?? '',
    'regarding.apiVersion': (event) => event.regarding?.apiVersion ?? '',
    'regarding.resourceVersion': (event) => event.regarding?.resourceVersion ?? '',
    'regarding.fieldPath': (event) => event.regarding?.fieldPath ?? '',
    reason: (event) => event.reason ?? '',
    reportingController: (event) => event.reportingController ?? '',
    type: (event) => event.type ?? '',
  },
};

/** Fields whose name differs between the two groups: [events.k8s.io, core]. */
const RENAMED = [
  ['regarding', 'involvedObject'],
  ['note', 'message'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
] as const;

const TO_CORE = new Map<string, string>(RENAMED);
const FROM_CORE = new Map<string, string>(RENAMED.map(([events, core]) => [core, events]));

function toStored(event: ApiObject): Event {
  return { ...(rename(event, TO_CORE) as unknown as Event), apiVersion: 'v1', kind: 'Event' };
}

function fromStored(stored: ApiObject): EventsEvent {
  const event = rename(stored, FROM_CORE) as unknown as EventsEvent;
  return { ...event, apiVersion: 'events.k8s.io/v1', kind: 'Event' };
}

function rename(object: ApiObject, names: Map<string, string>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value]));
}
