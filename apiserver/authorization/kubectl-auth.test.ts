import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import { kubectlBinary, type Served, serve } from '../testing/served.ts';

/** Identity and rights as kubectl sees them: whoami, can-i, tokens, roles, refusals. */
const here = test.skipIf(!kubectlBinary('1.33'));
let api: Served;
let ann = '';

beforeAll(async () => {
  api = await serve();
  ann = await api.kubeconfig('ann', await api.client('ann', ['dev']));
  const metadata = { name: 'default', namespace: 'default' };
  await api.server.engine.create(
    ServiceAccountKind,
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    'test',
  );
});
afterAll(() => api?.stop());

describe('a user', () => {
  here('is who their certificate says', async () => {
    const { out } = await api.kubectl(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo}'], {
      kubeconfig: ann,
    });
    expect(JSON.parse(out)).toMatchObject({ username: 'ann', groups: ['dev', 'system:authenticated'] });
  });

  here('may do nothing until a role says so, and is told what is missing', async () => {
    expect((await api.kubectl(['auth', 'can-i', 'list', 'pods'], { kubeconfig: ann })).out).toBe('no\n');
    expect((await api.kubectl(['get', 'pods'], { kubeconfig: ann })).err).toBe(
      'Error from server (Forbidden): pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "default"\n',
    );
    const role = ['create', 'role', 'reader', '--verb=get,list', '--resource=pods'];
    expect(await api.kubectl(role)).toMatchObject({
      code: 0,
      out: 'role.rbac.authorization.k8s.io/reader created\n',
    });
    await api.kubectl(['create', 'rolebinding', 'ann', '--role=reader', '--user=ann']);
    expect((await api.kubectl(['auth', 'can-i', 'list', 'pods'], { kubeconfig: ann })).out).toBe('yes\n');
    expect((await api.kubectl(['get', 'pods'], { kubeconfig: ann })).err).toContain('No resources found');
    expect((await api.kubectl(['get', 'pods', '-A'], { kubeconfig: ann })).err).toContain(
      'at the cluster scope',
    );
    const list = (await api.kubectl(['auth', 'can-i', '--list'], { kubeconfig: ann })).out;
    expect(list).toMatch(/^pods\s+\[\]\s+\[\]\s+\[get list\]$/m);
  });

  here('cannot hand out what they do not hold', async () => {
    await api.kubectl(['create', 'clusterrolebinding', 'ann-rbac', '--clusterrole=admin', '--user=ann']);
    const grab = ['create', 'clusterrolebinding', 'ann-root', '--clusterrole=cluster-admin', '--user=ann'];
    expect((await api.kubectl(grab, { kubeconfig: ann })).err).toContain(
      'clusterrolebindings.rbac.authorization.k8s.io',
    );
    const local = ['create', 'rolebinding', 'ann-root', '--clusterrole=cluster-admin', '--user=ann'];
    const refused = await api.kubectl(local, { kubeconfig: ann });
    expect(refused.err).toContain('is attempting to grant RBAC permissions not currently held');
    expect(refused.code).toBe(1);
  });
});

describe('a service account', () => {
  here('gets a token that names it, for as long as was asked', async () => {
    const { out, code } = await api.kubectl(['create', 'token', 'default', '--duration=20m']);
    expect(code).toBe(0);
    const account = await api.kubeconfig('account', { token: out.trim() });
    const me = await api.kubectl(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'], {
      kubeconfig: account,
    });
    expect(me.out).toBe('system:serviceaccount:default:default');
    expect((await api.kubectl(['get', 'secrets'], { kubeconfig: account })).err).toContain('(Forbidden)');
    const forged = await api.kubeconfig('forged', { token: `${out.trim().slice(0, -4)}AAAA` });
    expect((await api.kubectl(['get', 'secrets'], { kubeconfig: forged })).err).toContain('Unauthorized');
  });
});

describe('nobody', () => {
  test('sees health and version, and nothing else', async () => {
    const transport = api.server.transport();
    const status = async (path: string) =>
      (await transport.request({ method: 'GET', path, headers: {} })).status;
    for (const path of ['/healthz', '/readyz', '/livez', '/version']) expect(await status(path)).toBe(200);
    for (const path of [
      '/api',
      '/apis',
      '/metrics',
      '/openapi/v3',
      '/api/v1/pods',
      '/api/v1/namespaces/default',
    ]) {
      expect(await status(path)).toBe(403);
    }
  });
});
