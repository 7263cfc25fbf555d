/** The JavaScript client that most programs use, @kubernetes/client-node, against the control plane over HTTPS. */
import {
  type ApiException,
  AppsV1Api,
  BatchV1Api,
  CoordinationV1Api,
  CoreV1Api,
  type Informer,
  KubeConfig,
  type KubernetesObject,
  KubernetesObjectApi,
  ListWatch,
  makeInformer,
  type ObjectCache,
  PatchStrategy,
  RbacAuthorizationV1Api,
  setHeaderOptions,
  type V1ConfigMap,
  V1MicroTime,
  type V1Status,
  VersionApi,
  Watch,
} from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Served, serve } from '#apiserver/testing/served.ts';
import { systemClock } from '#machinery/clock.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { eventually } from '../harness/run.ts';
import { openControlPlane } from './control-plane.ts';

const store = new MemoryStore({ clock: systemClock });
const namespace = 'default';
let plane: Served;
let config: KubeConfig;
let core: CoreV1Api;

beforeAll(async () => {
  // A server before this one, of whose history nothing is left: its versions are of a past that is forgotten.
  const before = await serve({ store });
  await before.stop();
  await store.compact(await store.revision());
  plane = await openControlPlane({ store });
  config = new KubeConfig();
  config.loadFromFile(await plane.kubeconfig('node', await plane.client('admin', ['system:masters'])));
  core = config.makeApiClient(CoreV1Api);
});
afterAll(() => plane.stop());

const map = (name: string, data: Record<string, string> = {}): V1ConfigMap => ({ metadata: { name }, data });

/** The Status that a call failed with. */
async function refused(call: Promise<unknown>): Promise<V1Status & { http: number }> {
  const error = await call.then(
    () => undefined,
    (thrown: ApiException<string | V1Status>) => thrown,
  );
  if (!error) throw new Error('the call was not refused');
  const body = typeof error.body === 'string' ? (JSON.parse(error.body) as V1Status) : error.body;
  return { ...body, http: error.code };
}

describe('objects', () => {
  test('are created, read, replaced, patched and deleted', async () => {
    const made = await core.createNamespacedConfigMap({ namespace, body: map('crud', { a: '1' }) });
    expect(made.metadata?.creationTimestamp).toBeInstanceOf(Date);
    const read = await core.readNamespacedConfigMap({ namespace, name: 'crud' });
    expect(read).toEqual(made);
    const replaced = await core.replaceNamespacedConfigMap({
      ...{ namespace, name: 'crud' },
      body: { ...read, data: { a: '2' } },
    });
    expect(replaced.data).toEqual({ a: '2' });
    const stale = await refused(core.replaceNamespacedConfigMap({ namespace, name: 'crud', body: read }));
    expect(stale).toMatchObject({
      http: 409,
      reason: 'Conflict',
      details: { name: 'crud', kind: 'configmaps' },
    });
    const gone = await core.deleteNamespacedConfigMap({ namespace, name: 'crud' });
    expect(gone).toMatchObject({ status: 'Success', details: { name: 'crud', uid: made.metadata!.uid } });
    expect(await refused(core.readNamespacedConfigMap({ namespace, name: 'crud' }))).toMatchObject({
      ...{ http: 404, code: 404, reason: 'NotFound', status: 'Failure' },
      message: 'configmaps "crud" not found',
    });
  });

  test('of several groups', async () => {
    const apps = config.makeApiClient(AppsV1Api);
    const labels = { app: 'web' };
    const deployment = await apps.createNamespacedDeployment({
      namespace,
      body: {
        metadata: { name: 'web' },
        spec: {
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: { containers: [{ name: 'c', image: 'nginx', resources: { limits: { memory: '1Gi' } } }] },
          },
        },
      },
    });
    expect(deployment.spec?.strategy?.rollingUpdate?.maxSurge).toBe('25%');
    await eventually('a ReplicaSet', async () => {
      const { items } = await apps.listNamespacedReplicaSet({ namespace, labelSelector: 'app=web' });
      return items[0]?.metadata?.ownerReferences?.[0]?.uid === deployment.metadata!.uid || undefined;
    });
    const scale = await apps.readNamespacedDeploymentScale({ namespace, name: 'web' });
    scale.spec!.replicas = 3;
    const scaled = await apps.replaceNamespacedDeploymentScale({ namespace, name: 'web', body: scale });
    expect(scaled.spec?.replicas).toBe(3);
    await apps.deleteNamespacedDeployment({ namespace, name: 'web', propagationPolicy: 'Foreground' });
    const rbac = config.makeApiClient(RbacAuthorizationV1Api);
    const role = {
      metadata: { name: 'r' },
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
    };
    expect((await rbac.createNamespacedRole({ namespace, body: role })).rules).toEqual(role.rules);
    const job = await config.makeApiClient(BatchV1Api).createNamespacedJob({
      namespace,
      body: {
        metadata: { name: 'j' },
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'b:1' }] } } },
      },
    });
    expect(job.spec?.backoffLimit).toBe(6);
    expect((await config.makeApiClient(VersionApi).getCode()).major).toBe('1');
  });

  test('are patched with each kind of patch', async () => {
    await core.createNamespacedConfigMap({ namespace, body: map('patched', { a: '1' }) });
    const patch = (type: string, body: unknown, more: object = {}) =>
      core.patchNamespacedConfigMap(
        { namespace, name: 'patched', body, ...more },
        setHeaderOptions('Content-Type', type),
      );
    const json = [{ op: 'add', path: '/data/b', value: '2' }];
    expect((await patch(PatchStrategy.JsonPatch, json)).data).toEqual({ a: '1', b: '2' });
    expect((await patch(PatchStrategy.MergePatch, { data: { a: null } })).data).toEqual({ b: '2' });
    const strategic = { metadata: { labels: { x: 'y' } } };
    expect((await patch(PatchStrategy.StrategicMergePatch, strategic)).metadata?.labels).toEqual({ x: 'y' });
    const applied = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'patched' }, data: { c: '3' } };
    const owned = await patch(PatchStrategy.ServerSideApply, applied, { fieldManager: 'one' });
    expect(owned.data).toEqual({ b: '2', c: '3' });
    expect(owned.metadata?.managedFields?.[0]).toMatchObject({ manager: 'one', operation: 'Apply' });
    const taken = patch(
      PatchStrategy.ServerSideApply,
      { ...applied, data: { c: '4' } },
      { fieldManager: 'two' },
    );
    expect(await refused(taken)).toMatchObject({
      ...{ http: 409, reason: 'Conflict' },
      details: {
        causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.c' }],
      },
    });
  });

  test('are refused with every cause', async () => {
    const body = { metadata: { name: 'Bad' }, spec: { ports: [{ port: 0 }] } };
    const { details, ...status } = await refused(core.createNamespacedService({ namespace, body }));
    expect(status).toMatchObject({ http: 422, reason: 'Invalid' });
    expect(details?.causes?.map(({ field }) => field)).toContain('spec.ports[0].port');
    const strict = core.createNamespacedConfigMap({
      ...{ namespace, fieldValidation: 'Strict' },
      body: map('odd'),
      dryRun: 'Some',
    });
    expect(await refused(strict)).toMatchObject({ reason: 'Invalid', details: { kind: 'CreateOptions' } });
  });
});

describe('lists', () => {
  test('come in pages of one snapshot, and go on when it is lost', async () => {
    for (const name of ['p1', 'p2', 'p3', 'p4'])
      await core.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels: { page: '' } } } });
    const names: string[] = [];
    let page = await core.listNamespacedConfigMap({ namespace, labelSelector: 'page', limit: 2 });
    names.push(...page.items.map(({ metadata }) => metadata!.name!));
    await core.deleteNamespacedConfigMap({ namespace, name: 'p3' });
    const next = page.metadata!._continue!;
    page = await core.listNamespacedConfigMap({
      namespace,
      labelSelector: 'page',
      limit: 2,
      _continue: next,
    });
    names.push(...page.items.map(({ metadata }) => metadata!.name!));
    expect(names).toEqual(['p1', 'p2', 'p3', 'p4']);
    expect(page.metadata?._continue).toBeUndefined();
    await store.compact(await store.revision());
    const lost = await refused(
      core.listNamespacedConfigMap({ namespace, labelSelector: 'page', limit: 2, _continue: next }),
    );
    expect(lost).toMatchObject({ http: 410, reason: 'Expired' });
    const token = (lost.metadata as { continue: string }).continue;
    page = await core.listNamespacedConfigMap({ namespace, labelSelector: 'page', _continue: token });
    expect(page.items.map(({ metadata }) => metadata!.name)).toEqual(['p4']);
  });
});

describe('watches', () => {
  test('tell of what happens, and end with the signal', async () => {
    const { metadata } = await core.listNamespacedConfigMap({ namespace });
    const seen: string[] = [];
    const ended = Promise.withResolvers<unknown>();
    const watch = await new Watch(config).watch(
      `/api/v1/namespaces/${namespace}/configmaps`,
      { resourceVersion: metadata!.resourceVersion, labelSelector: 'w', allowWatchBookmarks: true },
      (phase, object: KubernetesObject) => seen.push(`${phase} ${object.metadata?.name}`),
      (error) => ended.resolve(error),
    );
    const body = { metadata: { name: 'w', labels: { w: '' } } };
    await core.createNamespacedConfigMap({ namespace, body });
    await core.replaceNamespacedConfigMap({ namespace, name: 'w', body: { ...body, data: { a: '1' } } });
    await core.deleteNamespacedConfigMap({ namespace, name: 'w' });
    await eventually('three events', async () => seen.length === 3 || undefined);
    expect(seen).toEqual(['ADDED w', 'MODIFIED w', 'DELETED w']);
    watch.abort();
    expect(await ended.promise).toMatchObject({ name: 'AbortError' });
  });

  test('of a version that is forgotten end with 410 as an event', async () => {
    const events: { phase: string; code: number }[] = [];
    await new Promise<void>((resolve) => {
      void new Watch(config).watch(
        `/api/v1/namespaces/${namespace}/configmaps`,
        { resourceVersion: '1' },
        (phase, status: V1Status) => events.push({ phase, code: status.code! }),
        () => resolve(),
      );
    });
    expect(events).toEqual([{ phase: 'ERROR', code: 410 }]);
  });
});

describe('informers', () => {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const listed: string[] = [];
  const list = async () => {
    const found = await core.listNamespacedConfigMap({ namespace, labelSelector: 'i' });
    listed.push(found.metadata!.resourceVersion!);
    return found;
  };
  const change = (name: string) =>
    core.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels: { i: '' } } } });

  test('list, watch, and are told of every change', async () => {
    await change('i1');
    const informer: Informer<V1ConfigMap> & ObjectCache<V1ConfigMap> = makeInformer(config, path, list, 'i');
    const seen: string[] = [];
    for (const verb of ['add', 'update', 'delete'] as const)
      informer.on(verb, ({ metadata }) => seen.push(`${verb} ${metadata!.name}`));
    await informer.start();
    await change('i2');
    await core.replaceNamespacedConfigMap({
      ...{ namespace, name: 'i2' },
      body: { metadata: { name: 'i2', labels: { i: '2' } } },
    });
    await core.deleteNamespacedConfigMap({ namespace, name: 'i1' });
    await eventually('all changes', async () => seen.length === 4 || undefined);
    expect(seen).toEqual(['add i1', 'add i2', 'update i2', 'delete i1']);
    expect(informer.get('i2', namespace)?.metadata?.labels).toEqual({ i: '2' });
    await informer.stop();
  });

  test('list again after 410, and go on', async () => {
    const watch = new Watch(config);
    const real = watch.watch.bind(watch);
    let watches = 0;
    // The first is over after a second; the next asks for a version that is forgotten, as one does that was away for long.
    const changed = [{ timeoutSeconds: 1 }, { resourceVersion: '1' }];
    watch.watch = (at, query, ...rest) => real(at, { ...query, ...changed[watches++] }, ...rest);
    const informer = new ListWatch<V1ConfigMap>(path, watch, list, false, 'i', undefined, {
      delayFn: () => Promise.resolve(),
    });
    const seen: string[] = [];
    informer.on('add', ({ metadata }) => seen.push(metadata!.name!));
    listed.length = 0;
    await informer.start();
    expect(listed).toHaveLength(1);
    await eventually('a watch after the refused one', async () => watches >= 3 || undefined);
    expect(listed).toHaveLength(2);
    await change('i9');
    await eventually('the object made after it', async () => seen.includes('i9') || undefined);
    await informer.stop();
  });
});

describe('arbitrary objects', () => {
  test('are found by discovery', async () => {
    const objects = KubernetesObjectApi.makeApiClient(config);
    const spec = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'any', namespace } };
    const made = await objects.create<V1ConfigMap>({ ...spec, data: { a: '1' } } as V1ConfigMap);
    expect(made.metadata?.uid).toBeDefined();
    const read = await objects.read<V1ConfigMap>(spec);
    expect(read.data).toEqual({ a: '1' });
    const patched = await objects.patch<V1ConfigMap>({ ...spec, data: { b: '2' } } as V1ConfigMap);
    expect(patched.data).toEqual({ a: '1', b: '2' });
    const applied = await objects.patch<V1ConfigMap>(
      { ...spec, data: { c: '3' } } as V1ConfigMap,
      ...([undefined, undefined, 'me', false, PatchStrategy.ServerSideApply] as const),
    );
    expect(applied.data).toEqual({ a: '1', b: '2', c: '3' });
    const replaced = await objects.replace<V1ConfigMap>({ ...applied, ...spec, data: {} } as V1ConfigMap);
    expect(replaced.data).toBeUndefined();
    const list = await objects.list<V1ConfigMap>('v1', 'ConfigMap', namespace);
    expect(list.items.some(({ metadata }) => metadata?.name === 'any')).toBe(true);
    const policy = {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'b', namespace },
    };
    await objects.create({ ...policy, spec: { minAvailable: 1, selector: {} } } as KubernetesObject);
    expect(await objects.delete(policy)).toMatchObject({ status: 'Success' });
    await objects.delete(spec);
    expect(await refused(objects.read(spec))).toMatchObject({ http: 404, reason: 'NotFound' });
    const unknown = objects.create({ apiVersion: 'v1', kind: 'Nothing', metadata: { name: 'x' } });
    await expect(unknown).rejects.toThrow('Unrecognized API version and kind: v1 Nothing');
  });
});

describe('a lease', () => {
  const name = 'leader';
  const lease = () => config.makeApiClient(CoordinationV1Api);

  /** As client-go's elector: whoever replaces the version that they have read is the leader. */
  async function acquire(holderIdentity: string): Promise<boolean> {
    const spec = { holderIdentity, leaseDurationSeconds: 1 };
    const current = await lease()
      .readNamespacedLease({ namespace, name })
      .catch(() => undefined);
    const now = Date.now();
    const renewed = new Date(current?.spec?.renewTime ?? 0).getTime();
    const until = renewed + 1_000 * (current?.spec?.leaseDurationSeconds ?? 0);
    if (current && current.spec?.holderIdentity !== holderIdentity && until > now) return false;
    try {
      const body = {
        metadata: { ...current?.metadata, name },
        spec: { ...spec, renewTime: new V1MicroTime(now) },
      };
      if (current) await lease().replaceNamespacedLease({ namespace, name, body });
      else await lease().createNamespacedLease({ namespace, body });
      return true;
    } catch (error) {
      if ((error as ApiException<unknown>).code === 409) return false;
      throw error;
    }
  }

  test('has one holder at a time, and another when it is not renewed', async () => {
    const all = await Promise.all(['a', 'b', 'c', 'd'].map((holder) => acquire(holder)));
    expect(all.filter(Boolean)).toHaveLength(1);
    const leader = ['a', 'b', 'c', 'd'][all.indexOf(true)]!;
    expect(await acquire(leader)).toBe(true);
    const other = leader === 'a' ? 'b' : 'a';
    expect(await acquire(other)).toBe(false);
    await eventually('the lease runs out', async () => (await acquire(other)) || undefined, { everyMs: 100 });
    expect((await lease().readNamespacedLease({ namespace, name })).spec?.holderIdentity).toBe(other);
  });
});
