/**
 * What every Client must do, whatever is behind it. Registered by the tests of each implementation.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { PodKind } from '#api/kinds/pod.ts';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import type { ConfigMap, Pod } from '#api/objects.ts';
import { isStatus } from '#machinery/errors.ts';
import type { Client, WatchEvent } from './contract.ts';

export interface ClientUnderTest {
  client: Client;
  close(): Promise<void>;
}

const NAMESPACE = 'conformance';

export function clientConformance(name: string, open: () => Promise<ClientUnderTest>): void {
  describe(`client: ${name}`, () => {
    let under: ClientUnderTest;
    let client: Client;
    let stop: AbortController;

    beforeEach(async () => {
      under = await open();
      client = under.client;
      stop = new AbortController();
      await client.create(NamespaceKind, {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: NAMESPACE },
      });
      // Pods need an account; where no controller makes it, this does.
      await client.create(ServiceAccountKind, {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: 'default', namespace: NAMESPACE },
      });
    });
    afterEach(async () => {
      stop.abort();
      await under.close();
    });

    const watchFrom = (resourceVersion: string, selectors: object = {}) =>
      reader(
        client.watch(ConfigMapKind, {
          namespace: NAMESPACE,
          resourceVersion,
          signal: stop.signal,
          ...selectors,
        }),
      );

    it('gives back what was created, with uid, revision and time', async () => {
      const created = await client.create(ConfigMapKind, map('a', { key: 'value' }));
      expect(created.metadata.uid).toBeTruthy();
      expect(created.metadata.resourceVersion).toBeTruthy();
      expect(created.metadata.creationTimestamp).toBeTruthy();
      const read = await client.get(ConfigMapKind, ref('a'));
      expect(read.data).toEqual({ key: 'value' });
      expect(read.metadata.resourceVersion).toBe(created.metadata.resourceVersion);
    });

    it('makes a name when asked to', async () => {
      const { metadata } = await client.create(ConfigMapKind, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: '', generateName: 'made-', namespace: NAMESPACE },
      });
      expect(metadata.name).toMatch(/^made-[a-z0-9]{5}$/);
    });

    it('refuses a name that is taken and says NotFound for one that is not', async () => {
      await client.create(ConfigMapKind, map('a'));
      await expect(client.create(ConfigMapKind, map('a'))).rejects.toSatisfy((e) =>
        isStatus(e, 'AlreadyExists'),
      );
      await expect(client.get(ConfigMapKind, ref('b'))).rejects.toSatisfy((e) => isStatus(e, 'NotFound'));
      await expect(client.delete(ConfigMapKind, ref('b'))).rejects.toSatisfy((e) => isStatus(e, 'NotFound'));
    });

    it('refuses an update of an older revision, and takes one without', async () => {
      const first = await client.create(ConfigMapKind, map('a', { n: '1' }));
      const second = await client.update(ConfigMapKind, { ...first, data: { n: '2' } });
      expect(Number(second.metadata.resourceVersion)).toBeGreaterThan(Number(first.metadata.resourceVersion));
      await expect(client.update(ConfigMapKind, { ...first, data: { n: '3' } })).rejects.toSatisfy((e) =>
        isStatus(e, 'Conflict'),
      );
      await client.update(ConfigMapKind, map('a', { n: '4' }));
      expect((await client.get(ConfigMapKind, ref('a'))).data).toEqual({ n: '4' });
    });

    it('keeps spec and status apart', async () => {
      const created = await client.create(PodKind, pod('a'));
      const spec = structuredClone(created.spec!);
      spec.containers[0]!.image = 'other';
      const withStatus = await client.updateStatus(PodKind, {
        ...created,
        spec,
        status: { ...created.status, phase: 'Running' },
      });
      expect(withStatus.status?.phase).toBe('Running');
      expect(withStatus.spec?.containers[0]?.image).toBe('busybox');
      const labelled = await client.update(PodKind, {
        ...withStatus,
        metadata: { ...withStatus.metadata, labels: { a: 'b' } },
        status: { phase: 'Failed' },
      });
      expect(labelled.metadata.labels).toEqual({ a: 'b' });
      expect(labelled.status?.phase).toBe('Running');
    });

    it('patches by merge and by JSON patch', async () => {
      await client.create(ConfigMapKind, map('a', { stays: '1', goes: '2' }));
      await client.patch(ConfigMapKind, ref('a'), {
        type: 'merge',
        body: { data: { goes: null, comes: '3' } },
      });
      const patched = await client.patch(ConfigMapKind, ref('a'), {
        type: 'json',
        body: [{ op: 'replace', path: '/data/stays', value: '4' }],
      });
      expect(patched.data).toEqual({ stays: '4', comes: '3' });
    });

    it('deletes only the object that was meant', async () => {
      const created = await client.create(ConfigMapKind, map('a'));
      await expect(
        client.delete(ConfigMapKind, ref('a'), { uid: '00000000-0000-4000-8000-000000000000' }),
      ).rejects.toSatisfy((e) => isStatus(e, 'Conflict'));
      await client.delete(ConfigMapKind, ref('a'), { uid: created.metadata.uid });
      await expect(client.get(ConfigMapKind, ref('a'))).rejects.toSatisfy((e) => isStatus(e, 'NotFound'));
    });

    it('keeps an object with finalizers until the last is gone', async () => {
      const created = await client.create(ConfigMapKind, {
        ...map('a'),
        metadata: { ...map('a').metadata, finalizers: ['test.gantry.dev/hold'] },
      });
      await client.delete(ConfigMapKind, ref('a'));
      const held = await client.get(ConfigMapKind, ref('a'));
      expect(held.metadata.deletionTimestamp).toBeTruthy();
      expect(held.metadata.uid).toBe(created.metadata.uid);
      await client.patch(ConfigMapKind, ref('a'), {
        type: 'merge',
        body: { metadata: { finalizers: null } },
      });
      await expect(client.get(ConfigMapKind, ref('a'))).rejects.toSatisfy((e) => isStatus(e, 'NotFound'));
    });

    it('lists by label, by field and in pages', async () => {
      for (const name of ['a', 'b', 'c'])
        await client.create(ConfigMapKind, {
          ...map(name),
          metadata: { ...map(name).metadata, labels: { name } },
        });
      const mine = { namespace: NAMESPACE, labelSelector: 'name' };
      const byLabel = await client.list(ConfigMapKind, { ...mine, labelSelector: 'name in (a,c)' });
      expect(names(byLabel.items)).toEqual(['a', 'c']);
      const byField = await client.list(ConfigMapKind, { ...mine, fieldSelector: 'metadata.name=b' });
      expect(names(byField.items)).toEqual(['b']);
      const page = await client.list(ConfigMapKind, { ...mine, limit: 2 });
      expect(names(page.items)).toEqual(['a', 'b']);
      const rest = await client.list(ConfigMapKind, { ...mine, limit: 2, continue: page.continue });
      expect(names(rest.items)).toEqual(['c']);
      expect(rest.continue).toBeUndefined();
    });

    it('names the type of listed objects', async () => {
      await client.create(ConfigMapKind, map('a'));
      const { items } = await client.list(ConfigMapKind, { namespace: NAMESPACE });
      expect(items[0]).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
    });

    it('watches from a revision: every change after it, in order, none before', async () => {
      const first = await client.create(ConfigMapKind, map('a'));
      const events = watchFrom(first.metadata.resourceVersion!);
      await client.update(ConfigMapKind, map('a', { n: '2' }));
      await client.create(ConfigMapKind, map('b'));
      await client.delete(ConfigMapKind, ref('a'));
      expect(await events.take(3)).toEqual(['modified a', 'added b', 'deleted a']);
    });

    it('tells a watch with a selector of objects that come to match and cease to', async () => {
      const first = await client.create(ConfigMapKind, map('a'));
      const events = watchFrom(first.metadata.resourceVersion!, { labelSelector: 'on=yes' });
      const label = (on: string | null) =>
        client.patch(ConfigMapKind, ref('a'), { type: 'merge', body: { metadata: { labels: { on } } } });
      await label('yes');
      await label('no');
      expect(await events.take(2)).toEqual(['added a', 'deleted a']);
    });

    it('ends a watch whose signal aborts', async () => {
      const { resourceVersion } = await client.list(ConfigMapKind, { namespace: NAMESPACE });
      const events = watchFrom(resourceVersion);
      await client.create(ConfigMapKind, map('a'));
      expect(await events.take(1)).toEqual(['added a']);
      stop.abort();
      expect(await events.take(1)).toEqual([]);
    });

    it('binds a pod once', async () => {
      await client.create(PodKind, pod('a'));
      const binding = {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: 'a', namespace: NAMESPACE },
        target: { apiVersion: 'v1', kind: 'Node', name: 'n1' },
      };
      await client.post(PodKind, ref('a'), 'binding', binding);
      const bound = await client.get(PodKind, ref('a'));
      expect(bound.spec?.nodeName).toBe('n1');
      expect(bound.status?.conditions?.find((one) => one.type === 'PodScheduled')?.status).toBe('True');
      await expect(client.post(PodKind, ref('a'), 'binding', binding)).rejects.toSatisfy((e) =>
        isStatus(e, 'Conflict'),
      );
    });
  });
}

function ref(name: string) {
  return { name, namespace: NAMESPACE };
}

function map(name: string, data?: Record<string, string>): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: NAMESPACE },
    ...(data && { data }),
  };
}

function pod(name: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE },
    spec: { containers: [{ name: 'main', image: 'busybox' }] },
  };
}

function names(objects: { metadata: { name: string } }[]): string[] {
  return objects.map((object) => object.metadata.name);
}

/** Reads a watch event by event, passing over bookmarks. */
function reader(watch: AsyncIterable<WatchEvent<ConfigMap>>) {
  const iterator = watch[Symbol.asyncIterator]();
  // The watch begins when it is first asked, so ask now.
  let pending = iterator.next();
  return {
    async take(count: number): Promise<string[]> {
      const taken: string[] = [];
      while (taken.length < count) {
        const { done, value } = await pending;
        if (done) break;
        pending = iterator.next();
        if (value.type !== 'bookmark') taken.push(`${value.type} ${value.object.metadata.name}`);
      }
      return taken;
    },
  };
}
