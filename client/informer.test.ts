import { beforeEach, describe, expect, it } from 'vitest';
import type { Kind } from '#api/kind.ts';
import type { ConfigMap } from '#api/objects.ts';
import { settle, VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import { seededRandom } from '#machinery/random.ts';
import type { Client, Informer } from './contract.ts';
import { FakeCluster } from './fake/fake-cluster.ts';
import { startInformer } from './informer.ts';
import { byNamespace } from './object-indexes.ts';

const Maps: Kind<ConfigMap> = {
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  singular: 'configmap',
  namespaced: true,
  schema: 'io.k8s.api.core.v1.ConfigMap',
  strategy: { validate: () => [] },
  columns: [],
};

let clock: VirtualClock;
let cluster: FakeCluster;
let crash: AbortController;
let informer: Informer<ConfigMap>;
let seen: string[];

beforeEach(async () => {
  clock = new VirtualClock();
  cluster = new FakeCluster({ clock, random: seededRandom(1) });
  crash = new AbortController();
  seen = [];
  await create('before');
  informer = startInformer({
    client: cluster.client,
    kind: Maps,
    clock,
    random: seededRandom(2),
    signal: crash.signal,
    indexes: { namespace: byNamespace },
    freeze: true,
  });
  informer.onChange((change) => seen.push(`${change.type} ${change.object.metadata.name}`));
  await informer.synced;
  await settle();
});

describe('an informer', () => {
  it('holds what was there and follows what comes', async () => {
    await create('after');
    await cluster.client.delete(Maps, { name: 'before', namespace: 'ns' });
    await settle();
    expect(names()).toEqual(['after']);
    expect(seen).toEqual(['added before', 'added after', 'deleted before']);
  });

  it('finds objects by index, also after they changed', async () => {
    await create('after', 'other');
    await settle();
    expect(informer.byIndex('namespace', 'ns').map((map) => map.metadata.name)).toEqual(['before']);
    await cluster.client.delete(Maps, { name: 'after', namespace: 'other' });
    await settle();
    expect(informer.byIndex('namespace', 'other')).toEqual([]);
  });

  it('resumes a dropped watch without a new list and misses nothing', async () => {
    cluster.dropWatches();
    await create('meanwhile');
    await clock.advance(1000);
    expect(names()).toEqual(['before', 'meanwhile']);
    expect(cluster.calls.filter((call) => call.verb === 'list')).toHaveLength(1);
  });

  it('lists anew when its revision was compacted, and reports what vanished', async () => {
    cluster.dropWatches();
    await cluster.client.delete(Maps, { name: 'before', namespace: 'ns' });
    await create('meanwhile');
    cluster.compact();
    await clock.advance(1000);
    expect(names()).toEqual(['meanwhile']);
    expect(seen).toEqual(['added before', 'added meanwhile', 'deleted before']);
  });

  it('reports an object made again under the same name as another one', async () => {
    cluster.dropWatches();
    await cluster.client.delete(Maps, { name: 'before', namespace: 'ns' });
    await create('before');
    cluster.compact();
    await clock.advance(1000);
    expect(seen).toEqual(['added before', 'deleted before', 'added before']);
  });

  it('begins anew when a list breaks between its pages, and ends with what is there', async () => {
    await create('later');
    let broken = false;
    const paged: Client = {
      ...cluster.client,
      async list(kind, options) {
        const whole = await cluster.client.list(kind, { namespace: options?.namespace });
        if (!options?.continue) return { ...whole, items: whole.items.slice(0, 1), continue: 'more' };
        if (broken) return { ...whole, items: whole.items.slice(1) };
        broken = true;
        await cluster.client.delete(Maps, { name: 'before', namespace: 'ns' });
        throw new StatusError('Expired', 'the list is too old');
      },
      watch: (kind, options) => cluster.client.watch(kind, options),
    };
    const options = { client: paged, kind: Maps, clock, random: seededRandom(2), signal: crash.signal };
    const second = startInformer(options);
    await clock.advance(5_000);
    await second.synced;
    expect(second.list().map(({ metadata }) => metadata.name)).toEqual(['later']);
  });

  it('waits for the revision that was written', async () => {
    cluster.dropWatches();
    const written = await create('mine');
    let reached = false;
    const waiting = informer.waitFor(written.metadata.resourceVersion!).then(() => {
      reached = true;
    });
    await settle();
    expect(reached).toBe(false);
    await clock.advance(1000);
    await waiting;
    expect(informer.get('ns/mine')).toBeDefined();
  });

  it('reaches a revision of other kinds by a bookmark', async () => {
    cluster.compact();
    cluster.bookmark();
    await informer.waitFor(cluster.revision());
    expect(informer.revision()).toBe(cluster.revision());
  });

  it('gives up waiting when told to', async () => {
    const stop = new AbortController();
    const waiting = informer.waitFor('1000000', stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  it('hands out objects that cannot be changed when frozen', () => {
    const map = informer.get('ns/before')!;
    expect(() => {
      map.metadata.labels = { a: 'b' };
    }).toThrow(TypeError);
  });

  it('sees nothing more once its process has crashed', async () => {
    crash.abort();
    await create('unseen');
    await clock.advance(60_000);
    expect(names()).toEqual(['before']);
  });
});

function create(name: string, namespace = 'ns'): Promise<ConfigMap> {
  return cluster.client.create(Maps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } });
}

function names(): string[] {
  return informer.list().map((map) => map.metadata.name);
}
