import type { Kind } from '#api/kind.ts';
import { EventKind } from '#api/kinds/event.ts';
import { type Event, keyOf } from '#api/objects.ts';
import type { Plan } from '../framework/contract.ts';

/** Source: Kubernetes, --event-ttl. */
export const EVENT_TTL_MS = 60 * 60_000;

/** An event goes an hour after it happened last. */
export function planEvent(event: Event, now: number): Plan<Kind<Event>> {
  const left = lastTime(event) + EVENT_TTL_MS - now;
  if (left > 0) return { actions: [], againAfterMs: left };
  const { uid, resourceVersion } = event.metadata;
  const why = { reason: 'EventExpired', message: 'it happened more than an hour ago' };
  return {
    actions: [{ do: 'delete', kind: EventKind, key: keyOf(event), options: { uid, resourceVersion }, why }],
  };
}

function lastTime(event: Event): number {
  const times = [
    event.lastTimestamp,
    event.series?.lastObservedTime,
    event.eventTime,
    event.metadata.creationTimestamp,
  ];
  return Math.max(0, ...times.map((time) => Date.parse(time ?? '') || 0));
}
