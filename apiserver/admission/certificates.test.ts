import { afterAll, beforeAll, expect, it } from 'vitest';
import { PEM_REQUEST } from '#api/specimens/certificates.ts';
import { collect } from '#machinery/transport.ts';
import { type Answer, callsTo, startTestServer } from '../fake/server.ts';
import type { ApiServer } from '../server.ts';

const PATH = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
/** Of ann in system:masters and dev: made with `openssl req -new -newkey ed25519`. */
const PRIVILEGED = `-----BEGIN CERTIFICATE REQUEST-----
MIG0MGgCAQAwNTEMMAoGA1UEAwwDYW5uMQwwCgYDVQQKDANkZXYxFzAVBgNVBAoM
DnN5c3RlbTptYXN0ZXJzMCowBQYDK2VwAyEA/fT9KJy1denpU7MjSKeHDB6Vo+FZ
SWWi5H8d2kqUN5KgADAFBgMrZXADQQCXHRwtsLOlEsxYHfkIAOEkHc65sKIUd27G
zgZgnehepAk2JDFns8Vi5ova9krvLF/TxOe0wvYEs6suK2d3UUkG
-----END CERTIFICATE REQUEST-----
`;
/** Of system:apiserver in gantry.dev:apiservers, made in the same way. */
const SERVER = `-----BEGIN CERTIFICATE REQUEST-----
MIG6MG4CAQAwOzEZMBcGA1UEAwwQc3lzdGVtOmFwaXNlcnZlcjEeMBwGA1UECgwV
Z2FudHJ5LmRldjphcGlzZXJ2ZXJzMCowBQYDK2VwAyEAl+bD0MiyteXot42qHubt
mIU6OSuyAnNb9mjFsu5U6/CgADAFBgMrZXADQQDV4MWAwy3JpmiJd1WAv5d2iC+i
TotUG5zC8T/FIeX2Dlaxf543tmCsOjA0/I9oeO4wejLPf5ShqSvGLJws3rUH
-----END CERTIFICATE REQUEST-----
`;

let server: ApiServer;
let admin: ReturnType<typeof callsTo>;

beforeAll(async () => {
  server = await startTestServer();
  admin = callsTo(server);
  const subjects = (name: string) => [{ kind: 'User', name, apiGroup: 'rbac.authorization.k8s.io' }];
  const rule = (verbs: string[], resources: string[], resourceNames?: string[]) => ({
    verbs,
    apiGroups: ['certificates.k8s.io'],
    resources,
    ...(resourceNames && { resourceNames }),
  });
  const grant = async (name: string, rules: object[]) => {
    await admin('POST', `${RBAC}/clusterroles`, { metadata: { name }, rules });
    const roleRef = { kind: 'ClusterRole', name, apiGroup: 'rbac.authorization.k8s.io' };
    await admin('POST', `${RBAC}/clusterrolebindings`, {
      metadata: { name },
      roleRef,
      subjects: subjects(name),
    });
  };
  const writes = rule(
    ['create', 'get', 'update'],
    ['', '/approval', '/status'].map((subresource) => `certificatesigningrequests${subresource}`),
  );
  await grant('ann', [writes]);
  await grant('bob', [writes, rule(['approve', 'sign'], ['signers'], ['example.com/*'])]);
  // Rights count once the cache shows them.
  await server.engine.fresh();
});

afterAll(() => server.stop());

async function as(name: string, method: string, path: string, body: object): Promise<Answer> {
  const identity = {
    name,
    uid: `uid-${name}`,
    groups: ['system:authenticated'],
    extra: { 'example.com/a': ['b'] },
  };
  const response = await server.transport(identity).request({
    method,
    path,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(body)),
  });
  const text = Buffer.from(await collect(response.body)).toString();
  return { status: response.status, headers: response.headers, body: JSON.parse(text) };
}

function requestNamed(name: string, signerName = 'example.com/a', pem = PEM_REQUEST) {
  const request = Buffer.from(pem).toString('base64');
  return { metadata: { name }, spec: { request, signerName, usages: ['client auth'], username: 'root' } };
}

const approval = { type: 'Approved', status: 'True', reason: 'Test' };

it('notes who asks', async () => {
  const { status, headers, body } = await as('ann', 'POST', PATH, requestNamed('noted'));
  expect(headers['warning']).toBeUndefined();
  expect(status).toBe(201);
  expect(body.spec).toMatchObject({
    username: 'ann',
    uid: 'uid-ann',
    groups: ['system:authenticated'],
    extra: { 'example.com/a': ['b'] },
  });
  expect(body.status).toEqual({});
  expect(body.metadata).not.toHaveProperty('generation');
  const found = await admin('GET', `${PATH}?fieldSelector=spec.signerName=example.com/a`);
  expect(found.body.items.map((each: typeof body) => each.metadata.name)).toContain('noted');
});

it('is approved by who may approve for the signer', async () => {
  const made = (await as('ann', 'POST', PATH, requestNamed('decided'))).body;
  const path = `${PATH}/decided/approval`;
  const decided = { ...made, spec: { ...made.spec, username: 'root' }, status: { conditions: [approval] } };
  const refused = await as('ann', 'PUT', path, decided);
  expect(refused.body).toMatchObject({
    code: 403,
    message:
      'certificatesigningrequests.certificates.k8s.io "decided" is forbidden: user not permitted to approve requests with signerName "example.com/a"',
  });
  const { status, body } = await as('bob', 'PUT', path, decided);
  expect(status).toBe(200);
  expect(body.spec.username).toBe('ann');
  expect(body.status.conditions).toMatchObject([{ ...approval, lastUpdateTime: expect.any(String) }]);
  // What it asks for is still as it was.
  const changed = await admin('PUT', `${PATH}/decided`, {
    ...body,
    spec: { ...body.spec, usages: ['any'] },
    status: {},
  });
  expect(changed.body).toMatchObject({ spec: made.spec, status: body.status });
});

it('is failed by who may sign for the signer, who cannot approve this way', async () => {
  const made = (await as('ann', 'POST', PATH, requestNamed('signed'))).body;
  const path = `${PATH}/signed/status`;
  const failed = { ...made, status: { conditions: [{ type: 'Failed', status: 'True' }] } };
  const refused = await as('ann', 'PUT', path, failed);
  expect(refused.body.message).toBe(
    'certificatesigningrequests.certificates.k8s.io "signed" is forbidden: user not permitted to sign requests with signerName "example.com/a"',
  );
  expect((await as('ann', 'PUT', path, made)).status).toBe(200);
  expect((await as('bob', 'PUT', path, failed)).status).toBe(200);
  const approved = await as('bob', 'PUT', path, {
    ...made,
    metadata: { name: 'signed' },
    status: { conditions: [{ type: 'Failed', status: 'True' }, approval] },
  });
  expect(approved.body.message).toContain('updates may not add a condition of type "Approved"');
});

it('may be patched to approve', async () => {
  await as('ann', 'POST', PATH, requestNamed('patched'));
  const patch = { status: { conditions: [approval] } };
  const headers = { 'content-type': 'application/merge-patch+json' };
  const { status, body } = await admin('PATCH', `${PATH}/patched/approval`, patch, headers);
  expect([status, body.status.conditions[0].type]).toEqual([200, 'Approved']);
});

it('makes nobody an administrator of all, or a server', async () => {
  const wanted = requestNamed('root', 'kubernetes.io/kube-apiserver-client', PRIVILEGED);
  expect((await admin('POST', PATH, wanted)).body.message).toBe(
    'certificatesigningrequests.certificates.k8s.io "root" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed',
  );
  const server = requestNamed('server', 'kubernetes.io/kube-apiserver-client', SERVER);
  expect((await admin('POST', PATH, server)).body.message).toContain(
    'with gantry.dev:apiservers group is not allowed',
  );
  expect((await admin('POST', PATH, requestNamed('other', 'example.com/a', PRIVILEGED))).status).toBe(201);
  const ordinary = requestNamed('ordinary', 'kubernetes.io/kube-apiserver-client');
  expect((await admin('POST', PATH, ordinary)).status).toBe(201);
});

it('is in discovery with its subresources', async () => {
  const { body } = await admin('GET', '/apis/certificates.k8s.io/v1');
  expect(
    body.resources.map((each: { name: string; verbs: string[] }) => [each.name, each.verbs.join()]),
  ).toEqual([
    ['certificatesigningrequests', 'create,delete,deletecollection,get,list,patch,update,watch'],
    ['certificatesigningrequests/approval', 'get,patch,update'],
    ['certificatesigningrequests/status', 'get,patch,update'],
  ]);
});
