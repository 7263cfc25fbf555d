import { expect, it } from 'vitest';
import { EventKind } from '#api/kinds/event.ts';
import type { Event } from '#api/objects.ts';
import { failEveryStepOnce } from '../framework/lab.ts';
import { eventTtlController } from './controller.ts';
import { EVENT_TTL_MS, planEvent } from './plan.ts';

const NOW = Date.UTC(2026, 0, 1);

function event(name: string, lastTimestamp?: string): Event {
  const involvedObject = { kind: 'Pod', name: 'p', namespace: 'default' };
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace: 'default' },
    involvedObject,
    lastTimestamp,
  };
}

it('an event goes an hour after it happened last', () => {
  const fresh = event('a', new Date(NOW - 60_000).toISOString());
  expect(planEvent(fresh, NOW)).toEqual({ actions: [], againAfterMs: EVENT_TTL_MS - 60_000 });
  const old = event('a', new Date(NOW - EVENT_TTL_MS).toISOString());
  expect(planEvent(old, NOW).actions).toMatchObject([{ do: 'delete', key: 'default/a' }]);
});

it('old events are gone whichever step fails, new ones stay', async () => {
  const scene = {
    roster: [eventTtlController],
    async arrange(cluster: import('#client/fake/fake-cluster.ts').FakeCluster) {
      await cluster.client.create(EventKind, event('new'));
      const old = await cluster.client.create(EventKind, event('old', '2025-12-31T22:00:00Z'));
      cluster.change(EventKind, old.metadata, (one) => {
        one.metadata.creationTimestamp = '2025-12-31T22:00:00Z';
      });
    },
  };
  await failEveryStepOnce(scene, (cluster) => {
    expect(cluster.all(EventKind).map(({ metadata }) => metadata.name)).toEqual(['new']);
  });
});
