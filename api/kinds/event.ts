import { ageOf } from '#machinery/values/duration.ts';
import type { Column, Kind } from '../kind.ts';
import type { Event } from '../objects.ts';
import { checkEvent } from '../validation/event.ts';
import { isPathSegment } from '../validation/names.ts';
import { column, nameColumn, wideColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** Something that happened to an object, told to people. Kept for an hour. */
export const EventKind: Kind<Event> = {
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  singular: 'event',
  shortNames: ['ev'],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Event',
  shortLived: true,
  strategy: strategyOf<Event>({
    namespaced: true,
    // They are named after objects whose names may be anything that fits into a path.
    name: isPathSegment,
    check: checkEvent,
  }),
  columns: eventColumns(),
  selectableFields: {
    'involvedObject.kind': (event) => event.involvedObject?.kind ?? '',
    'involvedObject.namespace': (event) => event.involvedObject?.namespace ?? '',
    'involvedObject.name': (event) => event.involvedObject?.name ?? '',
    'involvedObject.uid': (event) => event.involvedObject?.uid ?? '',
    'involvedObject.apiVersion': (event) => event.involvedObject?.apiVersion ?? '',
    'involvedObject.resourceVersion': (event) => event.involvedObject?.resourceVersion ?? '',
    'involvedObject.fieldPath': (event) => event.involvedObject?.fieldPath ?? '',
    reason: (event) => event.reason ?? '',
    reportingComponent: (event) => event.reportingComponent ?? '',
    source: (event) => event.source?.component || event.reportingComponent || '',
    type: (event) => event.type ?? '',
  },
};

function eventColumns(): Column<Event>[] {
  return [
    column('Last Seen', 'string', 'How long ago it happened last.', lastSeen),
    column('Type', 'string', 'Normal or Warning.', (event) => event.type ?? ''),
    column('Reason', 'string', 'Why, in one CamelCase word.', (event) => event.reason ?? ''),
    column('Object', 'string', 'What it happened to.', (event) => {
      const { kind, name } = event.involvedObject ?? {};
      return name ? `${(kind ?? '').toLowerCase()}/${name}` : (kind ?? '').toLowerCase();
    }),
    wideColumn(
      'Subobject',
      'string',
      'The part of the object.',
      (event) => event.involvedObject?.fieldPath ?? '',
    ),
    wideColumn('Source', 'string', 'Who says so.', sourceText),
    column('Message', 'string', 'What happened, in words.', (event) => (event.message ?? '').trim()),
    wideColumn('First Seen', 'string', 'How long ago it happened first.', firstSeen),
    wideColumn(
      'Count',
      'string',
      'How often it happened.',
      (event) => event.series?.count ?? (event.count || 1),
    ),
    { ...nameColumn, priority: 1 },
  ];
}

function firstSeen(event: Event, now: number): string {
  return ageOf(event.firstTimestamp ?? event.eventTime, now);
}

function lastSeen(event: Event, now: number): string {
  if (event.series) return ageOf(event.series.lastObservedTime, now);
  return event.lastTimestamp ? ageOf(event.lastTimestamp, now) : firstSeen(event, now);
}

function sourceText(event: Event): string {
  const component = event.source?.component || event.reportingComponent || '';
  const instance = event.source?.component ? event.source.host : event.reportingInstance;
  return instance ? `${component}, ${instance}` : component;
}
