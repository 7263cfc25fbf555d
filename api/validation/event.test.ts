import { describe, expect, it } from 'vitest';
import { EventKind } from '../kinds/event.ts';
import { EventsEventKind } from '../kinds/events-event.ts';
import { changeFaultsOf, faultsOf } from '../specimens/made.ts';

const eventTime = '2026-01-01T00:00:00.000000Z';
const fresh = { eventTime, reportingInstance: 'n1', action: 'Pulling', reason: 'Pulled' };
const core = { ...fresh, reportingComponent: 'example.com/node' };
const strict = { ...fresh, reportingController: 'example.com/node', type: 'Normal' };
const elsewhere = { metadata: { namespace: 'prod' } };
const MISMATCH = 'does not match event.namespace';
const long = 'a'.repeat(129);

describe('an event', () => {
  it.each<[string, object, string[]]>([
    [
      'the events of another namespace',
      { involvedObject: { namespace: 'other' } },
      [`involvedObject.namespace: Invalid value: "other": ${MISMATCH}`],
    ],
    [
      'those of objects without one, outside of default',
      elsewhere,
      [`involvedObject.namespace: Invalid value: "": ${MISMATCH}`],
    ],
    [
      'those of objects without one, in the newer form too',
      { ...core, ...elsewhere },
      [`involvedObject.namespace: Invalid value: "": ${MISMATCH}`],
    ],
    [
      'an empty one of the newer form',
      { eventTime },
      [
        'reportingController: Required value',
        'reportingController: Invalid value: "": name part must be non-empty',
        "reportingController: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        'reportingInstance: Required value',
        'action: Required value',
        'reason: Required value',
      ],
    ],
    [
      'long words and messages in the newer form',
      { ...core, reportingInstance: long, action: long, reason: long, message: 'ä'.repeat(513) },
      [
        ...['reportingInstance', 'action', 'reason'].map(
          (field) => `${field}: Invalid value: "": can have at most 128 characters`,
        ),
        'message: Invalid value: "": can have at most 1024 characters',
      ],
    ],
  ])('does not take %s', (_what, parts, faults) => {
    expect(faultsOf(EventKind, parts as Record<string, unknown>)).toEqual(faults);
  });

  it.each<[string, object]>([
    ['the older form, about nothing', {}],
    ['the older form with a long message', { message: 'a'.repeat(2000), reason: long }],
    ['a name of an object that is no DNS name', { metadata: { name: 'system:node.17c' } }],
    ['the newer form in kube-system', { ...core, metadata: { namespace: 'kube-system' } }],
    ['the newer form about an object of another namespace', { ...core, involvedObject: { namespace: 'b' } }],
  ])('takes %s', (_what, parts) => {
    expect(faultsOf(EventKind, parts as Record<string, unknown>)).toEqual([]);
  });
});

describe('an event of events.k8s.io', () => {
  it.each<[string, object, string[]]>([
    [
      'the older form',
      {
        type: 'Odd',
        deprecatedFirstTimestamp: '2026-01-01T00:00:00Z',
        deprecatedLastTimestamp: '2026-01-01T00:00:00Z',
        deprecatedCount: 1,
        deprecatedSource: { component: 'agent' },
      },
      [
        'eventTime: Required value',
        'type: Invalid value: "": has invalid value: Odd',
        ...['firstTimestamp', 'lastTimestamp', 'count', 'source'].map(
          (field) => `${field}: Invalid value: "": needs to be unset`,
        ),
      ],
    ],
    [
      'a host as its source',
      { ...strict, deprecatedSource: { host: 'n1' } },
      ['source: Invalid value: "": needs to be unset'],
    ],
    [
      'a series of one',
      { ...strict, series: { count: 1 } },
      ['series.count: Invalid value: "": should be at least 2', 'series.lastObservedTime: Required value'],
    ],
    [
      'a name that is no DNS name',
      { ...strict, metadata: { name: 'A' } },
      [
        "metadata.name: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
  ])('does not take %s', (_what, parts, faults) => {
    expect(faultsOf(EventsEventKind, parts as Record<string, unknown>)).toEqual(faults);
  });

  it('lets its series go on, and nothing else', () => {
    const series = { count: 2, lastObservedTime: eventTime };
    expect(changeFaultsOf(EventsEventKind, strict, { ...strict, series })).toEqual([]);
    expect(changeFaultsOf(EventsEventKind, strict, { ...strict, series: { count: 1 } })).toEqual([
      'series.count: Invalid value: "": should be at least 2',
      'series.lastObservedTime: Required value',
    ]);
    const other = { ...strict, note: 'other', reportingController: 'b' };
    expect(
      changeFaultsOf(
        EventsEventKind,
        { ...strict, series: { count: 1 } },
        { ...other, series: { count: 1 } },
      ),
    ).toEqual([
      'message: Invalid value: "other": field is immutable',
      'reportingController: Invalid value: "b": field is immutable',
    ]);
  });
});
