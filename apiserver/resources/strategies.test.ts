/** What a write does by the rules of its kind: makes what is missing, wants a version, puts back, answers a delete. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callsTo, startTestServer } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

const CORE = '/api/v1/namespaces/default';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const JOBS = '/apis/batch/v1/namespaces/default/jobs';
const ROLES = '/apis/rbac.authorization.k8s.io/v1';
const MERGE = { 'content-type': 'application/merge-patch+json' };
const APPLY = { 'content-type': 'application/apply-patch+yaml' };

let server: ApiServer;
let call: ReturnType<typeof callsTo>;

beforeEach(async () => {
  server = await startTestServer();
  call = callsTo(server);
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  await call('POST', `${CORE}/serviceaccounts`, account);
});
afterEach(() => server.stop());

const endpoints = { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'e' } };
const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'm' } };
const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'l' }, spec: {} };
const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } };
const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd', labels: { x: 'y' } },
  spec: { selector: { matchLabels: { a: 'b' } }, template },
};
const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: template.spec };
const job = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'j' },
  spec: { template: { spec: { ...template.spec, restartPolicy: 'Never' } } },
};

/** Rules to do `verbs` with endpoints and config maps. */
const withBoth = (...verbs: string[]) => [{ verbs, apiGroups: [''], resources: ['endpoints', 'configmaps'] }];

/** Calls of a user under `rules`, from when the authorizer knows them. */
async function callsOfUser(rules: object[]) {
  const role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'r' },
    rules,
  };
  await call('POST', `${ROLES}/clusterroles`, role);
  await call('POST', `${ROLES}/clusterrolebindings`, {
    ...{ apiVersion: role.apiVersion, kind: 'ClusterRoleBinding', metadata: { name: 'r' } },
    subjects: [{ kind: 'User', name: 'u', apiGroup: 'rbac.authorization.k8s.io' }],
    roleRef: { kind: 'ClusterRole', name: 'r', apiGroup: 'rbac.authorization.k8s.io' },
  });
  await server.engine.fresh();
  const transport = server.transport({ name: 'u', groups: ['system:authenticated'] });
  return callsTo({ transport: () => transport } as unknown as ApiServer);
}

describe('a PUT of what is missing', () => {
  it('makes it where the kind lets it, whatever version it says', async () => {
    const made = await call('PUT', `${CORE}/endpoints/e`, endpoints);
    expect(made.status).toBe(201);
    expect(made.body.metadata).toMatchObject({ name: 'e', namespace: 'default', uid: expect.any(String) });
    expect((await call('PUT', `${CORE}/endpoints/e`, endpoints)).status).toBe(200);
    const versioned = { ...lease, metadata: { name: 'l', resourceVersion: '77' } };
    expect((await call('PUT', `${LEASES}/l`, versioned)).status).toBe(201);
  });

  it('makes nothing in a dry run', async () => {
    const dry = await call('PUT', `${CORE}/endpoints/e?dryRun=All`, endpoints);
    expect(dry.status).toBe(201);
    expect((await call('GET', `${CORE}/endpoints/e`)).status).toBe(404);
  });

  it('is not found where it does not', async () => {
    expect(await call('PUT', `${CORE}/configmaps/m`, map)).toMatchObject({
      status: 404,
      body: { message: 'configmaps "m" not found' },
    });
    expect((await call('PUT', `${DEPLOYMENTS}/d/status`, deployment)).status).toBe(404);
  });

  it('conflicts when it names a uid, and is refused when it is of another name', async () => {
    const known = { ...endpoints, metadata: { name: 'e', uid: 'u-1' } };
    expect(await call('PUT', `${CORE}/endpoints/e`, known)).toMatchObject({
      status: 409,
      body: {
        message:
          'Operation cannot be fulfilled on endpoints "e": StorageError: invalid object, Code: 4, Key: /registry/services/endpoints/default/e, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: u-1, UID in object meta: ',
      },
    });
    expect(await call('PUT', `${CORE}/endpoints/f`, endpoints)).toMatchObject({
      status: 400,
      body: { message: 'the name of the object (e) does not match the name on the URL (f)' },
    });
  });

  it('asks whether its user may create, once the object is known to be valid', async () => {
    const asUser = await callsOfUser(withBoth('update', 'patch'));
    const wrong = { ...endpoints, subsets: [{ addresses: [{ ip: 'x' }] }] };
    expect((await asUser('PUT', `${CORE}/endpoints/e`, wrong)).status).toBe(422);
    expect(await asUser('PUT', `${CORE}/endpoints/e`, endpoints)).toMatchObject({
      status: 403,
      body: {
        reason: 'Forbidden',
        message: 'endpoints "e" is forbidden: ',
        details: { name: 'e', kind: 'endpoints' },
      },
    });
    expect((await call('GET', `${CORE}/endpoints/e`)).status).toBe(404);
    await call('PUT', `${CORE}/endpoints/e`, endpoints);
    expect((await asUser('PUT', `${CORE}/endpoints/e`, endpoints)).status).toBe(200);
  });

  it('asks the same when a configuration is applied', async () => {
    const asUser = await callsOfUser(withBoth('update', 'patch'));
    const path = `${CORE}/configmaps/m?fieldManager=f`;
    expect(await asUser('PATCH', path, map, APPLY)).toMatchObject({
      status: 403,
      body: { message: 'configmaps "m" is forbidden: ' },
    });
    await call('POST', `${CORE}/configmaps`, map);
    expect((await asUser('PATCH', path, { ...map, data: { a: 'b' } }, APPLY)).status).toBe(200);
  });

  it('is enough of a right together with create', async () => {
    const asUser = await callsOfUser(withBoth('update', 'create'));
    expect((await asUser('PUT', `${CORE}/endpoints/e`, endpoints)).status).toBe(201);
  });

  it('hands out no rights that its user does not have', async () => {
    const rules = [
      { verbs: ['create', 'update'], apiGroups: ['rbac.authorization.k8s.io'], resources: ['clusterroles'] },
    ];
    const asUser = await callsOfUser(rules);
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'n' } };
    const path = `${ROLES}/clusterroles/n`;
    const more = { ...role, rules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }] };
    expect((await asUser('PUT', path, more)).status).toBe(403);
    expect((await asUser('PUT', path, { ...role, rules })).status).toBe(201);
  });

  it('makes it by a view of its kind too', async () => {
    const event = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: 'ev' },
      eventTime: '2026-01-01T00:00:00.000000Z',
      action: 'Run',
      reason: 'Test',
      type: 'Normal',
      reportingController: 'a/b',
      reportingInstance: 'i',
      regarding: { kind: 'Pod', namespace: 'default', name: 'p' },
    };
    const made = await call('PUT', '/apis/events.k8s.io/v1/namespaces/default/events/ev', event);
    expect(made).toMatchObject({ status: 201, body: { apiVersion: 'events.k8s.io/v1', reason: 'Test' } });
  });

  it('changes the object that somebody else makes meanwhile', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => call('PUT', `${CORE}/endpoints/e`, endpoints)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 201]);
  });
});

describe('a PUT without a version', () => {
  it('is refused where the kind wants one; a patch needs none', async () => {
    await call('POST', LEASES, lease);
    for (const metadata of [{ name: 'l' }, { name: 'l', resourceVersion: '0' }])
      expect(await call('PUT', `${LEASES}/l`, { ...lease, metadata })).toMatchObject({
        status: 422,
        body: {
          message:
            'leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update',
          details: {
            name: 'l',
            group: 'coordination.k8s.io',
            kind: 'leases',
            causes: [
              {
                reason: 'FieldValueInvalid',
                message: 'Invalid value: 0: must be specified for an update',
                field: 'metadata.resourceVersion',
              },
            ],
          },
        },
      });
    const patched = await call('PATCH', `${LEASES}/l`, { spec: { holderIdentity: 'x' } }, MERGE);
    expect(patched).toMatchObject({ status: 200, body: { spec: { holderIdentity: 'x' } } });
    const { resourceVersion } = patched.body.metadata;
    const current = { ...lease, metadata: { name: 'l', resourceVersion } };
    expect((await call('PUT', `${LEASES}/l`, current)).status).toBe(200);
  });

  it('replaces the newest of other kinds', async () => {
    await call('POST', `${CORE}/configmaps`, map);
    expect((await call('PUT', `${CORE}/configmaps/m`, { ...map, data: { a: 'b' } })).status).toBe(200);
  });
});

describe('a write to the status', () => {
  const change = { labels: { x: 'z', n: '1' }, annotations: { a: 'b' }, finalizers: ['a/b'] };

  it('of a Deployment leaves its labels, and its writer does not own them', async () => {
    await call('POST', DEPLOYMENTS, deployment);
    const patch = { metadata: change, spec: { paused: true }, status: { replicas: 3 } };
    const { body } = await call('PATCH', `${DEPLOYMENTS}/d/status?fieldManager=s`, patch, MERGE);
    expect(body).toMatchObject({ status: { replicas: 3 }, metadata: { labels: { x: 'y' } } });
    expect(body.metadata.annotations).toEqual({ a: 'b' });
    expect(body.spec.paused).toBeUndefined();
    const entry = body.metadata.managedFields.find(({ manager }: { manager: string }) => manager === 's');
    expect(entry.fieldsV1['f:metadata']).toEqual({
      'f:annotations': { '.': {}, 'f:a': {} },
      'f:finalizers': { '.': {}, 'v:"a/b"': {} },
    });
  });

  it('of a Node reaches all of its metadata', async () => {
    await call('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } });
    const { body } = await call('PATCH', '/api/v1/nodes/n/status', { metadata: change }, MERGE);
    expect(body.metadata.labels).toMatchObject(change.labels);
  });

  it('of a VolumeAttachment reaches none of it', async () => {
    const path = '/apis/storage.k8s.io/v1/volumeattachments';
    const attachment = {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'VolumeAttachment',
      metadata: { name: 'v' },
      spec: { attacher: 'a', nodeName: 'n', source: { persistentVolumeName: 'pv' } },
    };
    await call('POST', path, attachment);
    const patch = { metadata: change, status: { attached: true } };
    const { body } = await call('PATCH', `${path}/v/status?fieldManager=s`, patch, MERGE);
    expect(body.status.attached).toBe(true);
    expect(Object.keys(body.metadata).sort()).toEqual(
      ['creationTimestamp', 'managedFields', 'name', 'resourceVersion', 'uid'].sort(),
    );
    const entry = body.metadata.managedFields.find(({ manager }: { manager: string }) => manager === 's');
    expect(Object.keys(entry.fieldsV1)).toEqual(['f:status']);
  });

  it('is held to what labels and annotations can be', async () => {
    await call('POST', DEPLOYMENTS, deployment);
    const patch = { metadata: { annotations: { 'not a key': '' } } };
    expect((await call('PATCH', `${DEPLOYMENTS}/d/status`, patch, MERGE)).status).toBe(422);
  });

  it('of a pod leaves its owners', async () => {
    await call('POST', `${CORE}/pods`, pod);
    const owner = { apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'u' };
    const patch = { metadata: { ownerReferences: [owner], labels: { a: 'b' } } };
    const { body } = await call('PATCH', `${CORE}/pods/p/status`, patch, MERGE);
    expect(body.metadata.ownerReferences).toBeUndefined();
    expect(body.metadata.labels).toEqual({ a: 'b' });
  });

  it('by applying leaves the labels, and owns none', async () => {
    await call('POST', DEPLOYMENTS, deployment);
    const applied = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd', labels: { q: 'r' } },
      status: { replicas: 2 },
    };
    const { body } = await call('PATCH', `${DEPLOYMENTS}/d/status?fieldManager=s`, applied, APPLY);
    expect(body.metadata.labels).toEqual({ x: 'y' });
    const entry = body.metadata.managedFields.find(({ manager }: { manager: string }) => manager === 's');
    expect(entry.fieldsV1).toEqual({ 'f:status': { 'f:replicas': {} } });
  });
});

describe('the generation of a pod', () => {
  it('is 1, grows with its spec, and not when it is put on a node', async () => {
    expect((await call('POST', `${CORE}/pods`, pod)).body.metadata.generation).toBe(1);
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: 'p' },
      target: { kind: 'Node', name: 'n' },
    };
    await call('POST', `${CORE}/pods/p/binding`, binding);
    expect((await call('GET', `${CORE}/pods/p`)).body.metadata.generation).toBe(1);
    const image = { spec: { containers: [{ name: 'c', image: 'nginx:2' }] } };
    const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
    expect((await call('PATCH', `${CORE}/pods/p`, image, strategic)).body.metadata.generation).toBe(2);
    const deleted = await call('DELETE', `${CORE}/pods/p`);
    expect(deleted.body.metadata).toMatchObject({ generation: 3, deletionGracePeriodSeconds: 30 });
  });
});

describe('a DELETE', () => {
  it('warns that the pods of a job stay, unless it says what is to become of them', async () => {
    await call('POST', JOBS, job);
    const deleted = await call('DELETE', `${JOBS}/j`);
    expect(deleted.headers['warning']).toBe(
      '299 - "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning"',
    );
    expect(deleted.body.metadata).toMatchObject({ finalizers: ['orphan'], deletionGracePeriodSeconds: 0 });
    await call('POST', JOBS, { ...job, metadata: { name: 'k' } });
    const told = await call('DELETE', `${JOBS}/k?propagationPolicy=Background`);
    expect(told.headers['warning']).toBeUndefined();
    expect(told.body).toMatchObject({ kind: 'Status', details: { name: 'k', kind: 'jobs' } });
    expect((await call('DELETE', JOBS)).headers['warning']).toContain('child pods are preserved by default');
  });

  it('of a pod that is going changes nothing, unless it shortens the wait', async () => {
    await call('POST', `${CORE}/pods`, pod);
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p' }, target: { name: 'n' } };
    await call('POST', `${CORE}/pods/p/binding`, binding);
    const { body: first } = await call('DELETE', `${CORE}/pods/p`);
    for (const query of ['', '?gracePeriodSeconds=30', '?propagationPolicy=Foreground'])
      expect((await call('DELETE', `${CORE}/pods/p${query}`)).body).toEqual(first);
    const shorter = await call('DELETE', `${CORE}/pods/p?gracePeriodSeconds=5&propagationPolicy=Foreground`);
    expect(shorter.body.metadata).toMatchObject({
      deletionGracePeriodSeconds: 5,
      finalizers: ['foregroundDeletion'],
    });
    expect(Date.parse(first.metadata.deletionTimestamp)).toBe(
      Date.parse(shorter.body.metadata.deletionTimestamp) + 25_000,
    );
  });

  it('leaves finalizers where they are', async () => {
    const finalizers = ['foregroundDeletion', 'a.b/c'];
    await call('POST', `${CORE}/configmaps`, { ...map, metadata: { name: 'm', finalizers } });
    const foreground = await call('DELETE', `${CORE}/configmaps/m?propagationPolicy=Foreground`);
    expect(foreground.body.metadata.finalizers).toEqual(finalizers);
    const background = await call('DELETE', `${CORE}/configmaps/m?propagationPolicy=Background`);
    expect(background.body.metadata.finalizers).toEqual(['a.b/c']);
  });

  it('knows no dependents of events', async () => {
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'ev', namespace: 'default' },
      involvedObject: { namespace: 'default' },
    };
    await call('POST', `${CORE}/events`, event);
    const deleted = await call('DELETE', `${CORE}/events/ev?propagationPolicy=Foreground`);
    expect(deleted.body).toMatchObject({ kind: 'Status', status: 'Success' });
  });

  it.each([
    ['resourcequotas', { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'x' } }, 'ResourceQuota'],
    ['configmaps', { ...map, metadata: { name: 'x' } }, 'Status'],
    ['endpoints', { ...endpoints, metadata: { name: 'x' } }, 'Status'],
  ])('of %s answers with what Kubernetes does', async (plural, object, kind) => {
    await call('POST', `${CORE}/${plural}`, object);
    expect((await call('DELETE', `${CORE}/${plural}/x`)).body.kind).toBe(kind);
  });
});

describe('what people should know of an object', () => {
  const negative = { ...pod, spec: { ...pod.spec, terminationGracePeriodSeconds: -1 } };
  const text =
    '299 - "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"';

  it('comes with the answer, of a dry run too, and not with a refusal', async () => {
    expect((await call('POST', `${CORE}/pods?dryRun=All`, negative)).headers['warning']).toBe(text);
    expect((await call('POST', `${CORE}/pods`, negative)).headers['warning']).toBe(text);
    const wrong = { ...negative, metadata: { name: 'q' }, spec: { ...negative.spec, restartPolicy: 'x' } };
    const refused = await call('POST', `${CORE}/pods`, wrong);
    expect(refused.status).toBe(422);
    expect(refused.headers['warning']).toBeUndefined();
  });

  it('is said of a Deployment whenever it changes, and not when its status does', async () => {
    const spec = { ...deployment.spec, template: { ...template, spec: negative.spec } };
    const made = await call('POST', DEPLOYMENTS, { ...deployment, spec });
    const ofTemplate = text.replace('spec.', 'spec.template.spec.');
    expect(made.headers['warning']).toBe(ofTemplate);
    const paused = await call('PATCH', `${DEPLOYMENTS}/d`, { spec: { paused: true } }, MERGE);
    expect(paused.headers['warning']).toBe(ofTemplate);
    const labelled = await call('PATCH', `${DEPLOYMENTS}/d`, { metadata: { labels: { q: 'r' } } }, MERGE);
    expect(labelled.headers['warning']).toBeUndefined();
    const status = await call('PATCH', `${DEPLOYMENTS}/d/status`, { status: { replicas: 1 } }, MERGE);
    expect(status.headers['warning']).toBeUndefined();
  });

  it('is said of addresses in a status', async () => {
    await call('POST', `${CORE}/pods`, pod);
    const patch = { status: { podIP: '2001:DB8::1', podIPs: [{ ip: '2001:DB8::1' }] } };
    const { headers } = await call('PATCH', `${CORE}/pods/p/status`, patch, MERGE);
    expect(headers['warning']).toBe(
      '299 - "status.podIPs[0].ip: IPv6 address \\"2001:DB8::1\\" should be in RFC 5952 canonical format (\\"2001:db8::1\\")"',
    );
  });
});
