import { request } from 'node:https';
import { load } from 'js-yaml';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SecretKind } from '#api/kinds/secret.ts';
import { bootstrapTokenSecret, NODE_TOKEN_GROUP } from '#api/semantics/bootstrap-tokens.ts';
import { systemClock } from '#machinery/clock.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { callsTo, startTestServer } from '../fake/server.ts';
import type { ApiServerConfig } from '../server.ts';
import { HOST, type Served, serve } from '../testing/served.ts';

const CONFIG: ApiServerConfig = {
  cluster: 'test',
  serviceCidr: '10.96.0.0/16',
  nodePorts: { from: 30_000, to: 32_767 },
  advertise: { address: '2001:db8::1', port: 6443 },
  certificateAuthority: 'AUTHORITY\n',
};
const CLUSTER_INFO = '/api/v1/namespaces/kube-public/configmaps/cluster-info';
let served: Served;

beforeAll(async () => {
  served = await serve({ config: CONFIG });
});

afterAll(() => served.stop());

/** As one without a certificate. */
function ask(path: string, token?: string): Promise<{ status: number; type: string; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const asked = request(
      { host: HOST, port: served.port, path, headers, ca: served.authority.certificate },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk) => chunks.push(chunk)).on('error', reject);
        answer.on('end', () =>
          resolve({
            status: answer.statusCode!,
            type: answer.headers['content-type']!,
            text: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    asked.on('error', reject).end();
  });
}

it('tells everybody the authority, and where the server is', async () => {
  const info = await ask(CLUSTER_INFO);
  expect(info.status).toBe(200);
  expect(load(JSON.parse(info.text).data.kubeconfig)).toEqual({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: '',
        cluster: {
          server: 'https://[2001:db8::1]:6443',
          'certificate-authority-data': Buffer.from('AUTHORITY\n').toString('base64'),
        },
      },
    ],
    contexts: null,
    'current-context': '',
    preferences: {},
    users: null,
  });
  expect((await ask('/api/v1/namespaces/kube-public/configmaps')).status).toBe(403);
});

it('keeps what it tells true over restarts', async () => {
  const store = new MemoryStore({ clock: systemClock });
  const first = await startTestServer({ store, config: CONFIG });
  await first.stop();
  const second = await startTestServer({ store, config: { ...CONFIG, certificateAuthority: 'NEW\n' } });
  const { body } = await callsTo(second)('GET', CLUSTER_INFO);
  expect(body.data.kubeconfig).toContain(Buffer.from('NEW\n').toString('base64'));
  await second.stop();
});

it('lets who holds a token ask for a certificate, and for nothing else', async () => {
  const secret = bootstrapTokenSecret({
    id: 'abc123',
    secret: 'abcdefghij012345',
    groups: [NODE_TOKEN_GROUP],
  });
  await served.server.engine.create(SecretKind, secret, 'test');
  await served.server.engine.fresh();
  const kubeconfig = await served.kubeconfig('joining', { token: 'abc123.abcdefghij012345' });
  const may = async (...what: string[]) =>
    (await served.kubectl(['auth', 'can-i', ...what], { kubeconfig })).out.trim();
  expect(await may('create', 'certificatesigningrequests')).toBe('yes');
  expect(await may('create', 'certificatesigningrequests', '--subresource=nodeclient')).toBe('yes');
  expect(await may('create', 'certificatesigningrequests', '--subresource=selfnodeclient')).toBe('no');
  expect(await may('get', 'secrets', '-n', 'kube-system')).toBe('no');
  expect(await may('get', 'nodes')).toBe('no');
  const who = await served.kubectl(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'], {
    kubeconfig,
  });
  expect(who.out).toBe('system:bootstrap:abc123');
  expect((await ask('/api/v1/nodes', 'abc123.abcdefghij012346')).status).toBe(401);
});

it('says in a review whose token it is', async () => {
  const review = (spec: object) =>
    callsTo(served.server)('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { spec });
  const token = 'abc123.abcdefghij012345';
  expect((await review({ token })).body.status).toMatchObject({
    authenticated: true,
    user: { username: 'system:bootstrap:abc123', groups: expect.arrayContaining([NODE_TOKEN_GROUP]) },
  });
  expect((await review({ token, audiences: ['vault'] })).body.status).toMatchObject({ authenticated: false });
});
