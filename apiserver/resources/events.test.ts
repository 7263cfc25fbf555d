/** Events under their two groups: events.k8s.io/v1 demands more of what is written through it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callsTo, startTestServer } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

const CORE = '/api/v1/namespaces/default/events';
const EVENTS = '/apis/events.k8s.io/v1/namespaces/default/events';
const MERGE = { 'content-type': 'application/merge-patch+json' };
const event = {
  metadata: { name: 'a' },
  eventTime: '2026-01-01T00:00:00.000000Z',
  regarding: { kind: 'Pod', namespace: 'default', name: 'p' },
  reportingController: 'example.com/node',
  reportingInstance: 'n1',
  action: 'Pulling',
  reason: 'Pulled',
  type: 'Normal',
  note: 'Pulled it',
};
const series = { count: 2, lastObservedTime: '2026-01-01T00:00:10.000000Z' };

let server: ApiServer;
let call: ReturnType<typeof callsTo>;
beforeEach(async () => {
  server = await startTestServer();
  call = callsTo(server);
});
afterEach(() => server.stop());

describe('events of events.k8s.io/v1', () => {
  it('are made in the newer form only, however they are made', async () => {
    const { eventTime: _eventTime, ...older } = event;
    const refusal = {
      status: 422,
      body: { message: 'Event.events.k8s.io "a" is invalid: eventTime: Required value' },
    };
    expect(await call('POST', EVENTS, older)).toMatchObject(refusal);
    const applied = { apiVersion: 'events.k8s.io/v1', kind: 'Event', ...older };
    const apply = { 'content-type': 'application/apply-patch+yaml' };
    expect(await call('PATCH', `${EVENTS}/a?fieldManager=me`, applied, apply)).toMatchObject(refusal);
    expect(await call('POST', EVENTS, event)).toMatchObject({ status: 201, body: { note: 'Pulled it' } });
  });

  it('can go on as a series, and not change', async () => {
    await call('POST', EVENTS, event);
    expect((await call('PATCH', `${EVENTS}/a`, { series }, MERGE)).body.series).toEqual(series);
    const { body } = await call('GET', `${EVENTS}/a`);
    const put = await call('PUT', `${EVENTS}/a`, { ...body, note: 'Lost it' });
    expect(put.body.message).toBe(
      'Event.events.k8s.io "a" is invalid: message: Invalid value: "Lost it": field is immutable',
    );
    expect((await call('PATCH', `${EVENTS}/a`, { type: 'Warning' }, MERGE)).status).toBe(422);
  });

  it('may still be changed as core events, and made there in the older form', async () => {
    await call('POST', EVENTS, event);
    expect((await call('PATCH', `${CORE}/a`, { message: 'Lost it' }, MERGE)).body.message).toBe('Lost it');
    const older = { metadata: { name: 'b' }, involvedObject: { kind: 'Node', name: 'n1' }, reason: 'Up' };
    expect((await call('POST', CORE, older)).status).toBe(201);
    expect((await call('GET', `${EVENTS}/b`)).body).toMatchObject({ regarding: { kind: 'Node' } });
  });
});
