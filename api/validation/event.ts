/** Events. Source: Kubernetes API reference, Event (core/v1 and events.k8s.io/v1). */
import type { Event } from '../objects.ts';
import type { Faults } from './faults.ts';
import { isDnsSubdomain, qualifiedNameFaults } from './names.ts';

const TEXT_MAX_BYTES = 128;
const MESSAGE_MAX_BYTES = 1024;
const TYPES = ['Normal', 'Warning'];

/** What holds for every event. One with an eventTime has the newer form, which leaves less open. */
export function checkEvent(event: Event, faults: Faults): void {
  const about = event.involvedObject?.namespace ?? '';
  const namespace = event.metadata.namespace ?? '';
  const isNew = Boolean(event.eventTime);
  // Objects without a namespace have their events in one of those.
  const homes = isNew ? ['default', 'kube-system'] : ['', 'default'];
  const fits = about === '' ? homes.includes(namespace) : isNew || namespace === about;
  if (!fits) faults.invalid('involvedObject.namespace', about, 'does not match event.namespace');
  if (isNew) checkNewForm(event, faults);
}

function checkNewForm(event: Event, faults: Faults): void {
  // Kubernetes calls reportingComponent by its other name here.
  const controller = event.reportingComponent ?? '';
  if (!controller) faults.required('reportingController');
  faults.invalidFor('reportingController', controller, qualifiedNameFaults(controller));
  for (const part of ['reportingInstance', 'action', 'reason'] as const) {
    const text = event[part] ?? '';
    if (!text) faults.required(part);
    checkLength(part, text, TEXT_MAX_BYTES, faults);
  }
  checkLength('message', event.message ?? '', MESSAGE_MAX_BYTES, faults);
}

function checkLength(field: string, text: string, max: number, faults: Faults): void {
  if (Buffer.byteLength(text) > max) faults.invalid(field, '', `can have at most ${max} characters`);
}

/** What events.k8s.io/v1 demands of a new event besides: the newer form and nothing of the older. */
export function checkStrictEvent(event: Event, faults: Faults): void {
  const { metadata, eventTime, type = '', firstTimestamp, lastTimestamp, count, source } = event;
  if (metadata.name) faults.invalidFor('metadata.name', metadata.name, isDnsSubdomain(metadata.name, false));
  checkSeries(event, faults);
  if (!eventTime) faults.required('eventTime');
  if (!TYPES.includes(type)) faults.invalid('type', '', `has invalid value: ${type}`);
  const older = { firstTimestamp, lastTimestamp, count, source: source?.component || source?.host };
  for (const [field, value] of Object.entries(older))
    if (value) faults.invalid(field, '', 'needs to be unset');
}

function checkSeries({ series }: Event, faults: Faults): void {
  if (!series) return;
  if ((series.count ?? 0) < 2) faults.invalid('series.count', '', 'should be at least 2');
  if (!series.lastObservedTime) faults.required('series.lastObservedTime');
}

/** Of an event of events.k8s.io/v1 only the series goes on. */
export function checkStrictEventUpdate(event: Event, old: Event, faults: Faults): void {
  if (JSON.stringify(event.series) !== JSON.stringify(old.series)) checkSeries(event, faults);
  for (const part of FIXED)
    faults.immutable(part === 'reportingComponent' ? 'reportingController' : part, event[part], old[part]);
}

const FIXED = [
  'involvedObject',
  'reason',
  'message',
  'source',
  'firstTimestamp',
  'lastTimestamp',
  'count',
  'type',
  'eventTime',
  'action',
  'related',
  'reportingComponent',
  'reportingInstance',
] as const;
