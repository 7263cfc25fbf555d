import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { TestPods } from '../harness/pods.ts';
import { eventually, type Ran } from '../harness/run.ts';

/** Who may do what, asked over the wire as each of them. */
describe.skipIf(whyNoHost())('identity', () => {
  const cluster = new TestCluster();
  const pods = new TestPods(cluster);
  const pki = (name: string) => join(cluster.directory, 'pki', name);
  const server = 'https://127.0.0.1:6443';

  /** kubectl with nothing but these credentials. */
  const kubectlAs = (credentials: readonly string[], args: readonly string[], input?: string): Promise<Ran> =>
    cluster.kubectl(
      [`--server=${server}`, `--certificate-authority=${pki('server-ca.crt')}`, ...credentials, ...args],
      { env: { KUBECONFIG: '/dev/null' }, ...(input !== undefined && { input }) },
    );
  const said = async (ran: Promise<Ran>) => {
    const { code, stdout, stderr } = await ran;
    return code === 0 ? `ok: ${stdout.trim()}` : stderr.trim();
  };
  const code = async (path: string, ...more: string[]) => {
    const ran = await cluster.inside('curl', [
      ...['-sS', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}', '--cacert', pki('server-ca.crt')],
      ...more,
      `${server}${path}`,
    ]);
    return ran.stdout;
  };

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/busybox:1']);
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  describe('anonymous', () => {
    test.each(['/version', '/healthz', '/livez', '/readyz'])('may look at %s', async (path) => {
      expect(await code(path)).toBe('200');
    });

    test.each([
      '/',
      '/api',
      '/apis',
      '/api/v1',
      '/api/v1/pods',
      '/api/v1/namespaces/default/secrets',
      '/api/v1/nodes/node-1/proxy/pods',
      '/apis/apps/v1/deployments?watch=true',
      '/openapi/v2',
      '/openapi/v3',
      '/metrics',
      '/nothing',
    ])('may not look at %s', async (path) => {
      expect(await code(path)).toBe('403');
    });

    test('is told what is missing', async () => {
      const ran = await cluster.inside('curl', ['-sSk', `${server}/api/v1/namespaces/default/pods`]);
      expect(JSON.parse(ran.stdout)).toMatchObject({
        kind: 'Status',
        reason: 'Forbidden',
        message:
          'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "default"',
      });
    });
  });

  describe('who cannot prove who they are', () => {
    test('a token that nobody signed is refused, not taken for anonymous', async () => {
      expect(await code('/version', '-H', 'Authorization: Bearer no.such.token')).toBe('401');
    });

    test("the server's own certificate is no client's", async () => {
      const certificate = ['--cert', pki('server.crt'), '--key', pki('server.key')];
      expect(await code('/api/v1/namespaces', ...certificate)).toMatch(/^(401|403)$/);
    });

    test('plain HTTP is not spoken', async () => {
      const ran = await cluster.inside('curl', ['-sS', '-m', '3', 'http://127.0.0.1:6443/version']);
      expect(ran.stdout).not.toContain('gitVersion');
    });

    test('keys and the kubeconfig of the administrator are only for root', () => {
      for (const path of [
        pki('client-ca.key'),
        pki('server.key'),
        pki('node-node-1.key'),
        cluster.kubeconfig,
      ]) {
        expect([path, (statSync(path).mode & 0o777).toString(8)]).toEqual([path, '600']);
      }
    });
  });

  describe('a service account', () => {
    let token: string;
    const as = (...args: string[]) => said(kubectlAs([`--token=${token}`], args));

    beforeAll(async () => {
      await cluster.must(['create', 'serviceaccount', 'reader']);
      await cluster.must(['create', 'namespace', 'elsewhere']);
      await cluster.must(['create', 'role', 'reader', '--verb=get,list', '--resource=pods']);
      await cluster.must([
        'create',
        'rolebinding',
        'reader',
        '--role=reader',
        '--serviceaccount=default:reader',
      ]);
      token = (await cluster.must(['create', 'token', 'reader'])).trim();
    });

    test('may do what its role says', async () => {
      expect(await as('get', 'pods', '-o', 'name')).toBe('ok: ');
      expect(await as('auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}')).toBe(
        'ok: system:serviceaccount:default:reader',
      );
    });

    test.each([
      [['get', 'secrets'], 'cannot list resource "secrets"'],
      [
        ['get', 'pods', '-n', 'elsewhere'],
        'cannot list resource "pods" in API group "" in the namespace "elsewhere"',
      ],
      [['get', 'pods', '-A'], 'cannot list resource "pods" in API group "" at the cluster scope'],
      [['delete', 'pod', 'x'], 'cannot delete resource "pods"'],
      [['create', 'configmap', 'x'], 'cannot create resource "configmaps"'],
      [['create', 'token', 'default'], 'cannot create resource "serviceaccounts/token"'],
      [['get', 'pods', '--as=kubernetes-admin'], 'cannot impersonate resource "users"'],
      [
        ['create', 'rolebinding', 'up', '--clusterrole=cluster-admin', '--serviceaccount=default:reader'],
        'cannot create resource "rolebindings"',
      ],
    ])('may not: kubectl %j', async (args, refusal) => {
      expect(await as(...args)).toContain(refusal);
    });

    test('loses its right with its role', async () => {
      await cluster.must(['delete', 'rolebinding', 'reader']);
      await eventually('it is refused', async () =>
        (await as('get', 'pods')).includes('forbidden') ? true : undefined,
      );
    });

    test('a token ends with its account', async () => {
      await cluster.must(['delete', 'serviceaccount', 'reader']);
      await eventually('it is refused', async () =>
        (await as('get', 'pods')).includes('You must be logged in') ? true : undefined,
      );
    });

    test("a pod's token ends with the pod", async () => {
      await pods.run('holder', { containers: [pods.container('exec sleep 1000')] });
      token = await pods.sh('holder', 'cat /var/run/secrets/kubernetes.io/serviceaccount/token');
      expect(await as('auth', 'whoami', '-o', 'jsonpath={.status.userInfo.extra}')).toContain('"holder"');
      await pods.delete('holder');
      await eventually('it is refused', async () =>
        (await as('auth', 'whoami')).includes('You must be logged in') ? true : undefined,
      );
    });

    test('a pod that wants no token has none', async () => {
      await pods.run('without', {
        automountServiceAccountToken: false,
        containers: [pods.container('exec sleep 1000')],
      });
      expect(await pods.sh('without', 'ls /var/run/secrets 2>/dev/null | wc -l')).toBe('0');
    });
  });

  describe('a node', () => {
    const credentials = [
      `--client-certificate=${pki('node-node-1.crt')}`,
      `--client-key=${pki('node-node-1.key')}`,
    ];
    const as = (args: readonly string[], input?: string) => said(kubectlAs(credentials, args, input));
    const patch = (object: object) => ['--type=merge', '-p', JSON.stringify(object)];

    beforeAll(async () => {
      for (const name of ['mine', 'theirs', 'nobodys'])
        await cluster.must(['create', 'secret', 'generic', name, '--from-literal=k=v']);
      for (const name of ['mine', 'theirs']) await cluster.must(['create', 'serviceaccount', name]);
      const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-2' } };
      await cluster.must(['create', '-f', '-'], { input: JSON.stringify(node) });
      const using = (secret: string, nodeName: string) => ({
        nodeName,
        serviceAccountName: secret,
        containers: [
          pods.container('exec sleep 1000', {
            env: [{ name: 'K', valueFrom: { secretKeyRef: { name: secret, key: 'k' } } }],
          }),
        ],
      });
      await pods.create('theirs', using('theirs', 'node-2'));
      await pods.run('mine', using('mine', 'node-1'));
    });
    // Nobody runs node-2: its pod goes only by force.
    afterAll(() => cluster.must(['delete', 'pod', 'theirs', '--force', '--grace-period=0']));

    test('reads the secrets of its pods, and no others', async () => {
      expect(await as(['get', 'secret', 'mine', '-o', 'name'])).toBe('ok: secret/mine');
      expect(await as(['get', 'secret', 'theirs'])).toContain(
        "no relationship found between node 'node-1' and this object",
      );
      expect(await as(['get', 'secret', 'nobodys'])).toContain('forbidden');
      expect(await as(['get', 'secrets'])).toContain('forbidden');
      expect(await as(['get', 'secrets', '-A', '-l', 'a=b'])).toContain('forbidden');
    });

    test('sees its own pods, and no others', async () => {
      expect(await as(['get', 'pods', '--field-selector=spec.nodeName=node-1', '-o', 'name'])).toContain(
        'pod/mine',
      );
      expect(await as(['get', 'pods'])).toContain('forbidden');
      expect(await as(['get', 'pods', '--field-selector=spec.nodeName=node-2'])).toContain('forbidden');
      expect(await as(['get', 'pod', 'theirs'])).toContain('forbidden');
      expect(await as(['delete', 'pod', 'theirs'])).toContain('forbidden');
      expect(
        await as([
          'patch',
          'pod',
          'theirs',
          '--subresource=status',
          ...patch({ status: { phase: 'Failed' } }),
        ]),
      ).toContain('forbidden');
    });

    test('makes no pods but mirrors of its own, and changes none', async () => {
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'planted', namespace: 'default' },
        spec: { nodeName: 'node-1', containers: [{ name: 'c', image: 'x' }] },
      };
      expect(await as(['create', '-f', '-'], JSON.stringify(pod))).toContain('can only create mirror pods');
      expect(await as(['label', 'pod', 'mine', 'a=b'])).toContain('forbidden');
      expect(await as(['exec', 'mine', '--', 'true'])).toContain('forbidden');
    });

    test('touches only its own Node and Lease, and gives itself no trust', async () => {
      expect(await as(['label', 'node', 'node-1', 'disk=fast'])).toContain('ok:');
      expect(await as(['label', 'node', 'node-2', 'disk=fast'])).toContain('forbidden');
      expect(await as(['label', 'node', 'node-1', 'node-restriction.kubernetes.io/trusted=yes'])).toContain(
        'is not allowed to modify labels',
      );
      expect(await as(['taint', 'node', 'node-1', 'a=b:NoSchedule'])).toContain(
        'not allowed to modify taints',
      );
      expect(await as(['delete', 'node', 'node-1'])).toContain('forbidden');
      const lease = (name: string) => ['-n', 'kube-node-lease', 'get', 'lease', name, '-o', 'name'];
      expect(await as(lease('node-1'))).toContain('ok: lease');
      expect(await as(lease('node-2'))).toContain('forbidden');
    });

    test('asks for tokens only of accounts and pods that run on it', async () => {
      const uid = async (name: string) => (await pods.get(name)).metadata.uid!;
      const token = (account: string, bound: readonly string[]) => ['create', 'token', account, ...bound];
      const boundTo = async (name: string) => [
        ...['--bound-object-kind=Pod', `--bound-object-name=${name}`],
        `--bound-object-uid=${await uid(name)}`,
      ];
      expect(await as(token('mine', await boundTo('mine')))).toMatch(/^ok: ey/);
      expect(await as(token('mine', []))).toContain('forbidden');
      expect(await as(token('theirs', await boundTo('theirs')))).toContain('forbidden');
      expect(await as(token('mine', await boundTo('theirs')))).toMatch(/forbidden|not found|Conflict/);
    });

    test('rules nothing else', async () => {
      expect(await as(['get', 'deployments'])).toContain('forbidden');
      expect(await as(['create', 'namespace', 'x'])).toContain('forbidden');
      expect(await as(['get', 'clusterroles'])).toContain('forbidden');
      expect(await as(['get', 'services', '-A', '-o', 'name'])).toContain('ok: service/kubernetes');
    });
  });
});
