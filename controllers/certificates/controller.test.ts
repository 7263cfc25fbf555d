import { describe, expect, test, vi } from 'vitest';
import { CertificateSigningRequestKind } from '#api/kinds/certificate-signing-request.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { SubjectAccessReviewKind } from '#api/kinds/reviews.ts';
import type { CertificateSigningRequest } from '#api/objects.ts';
import { NODE_KEYS } from '#api/semantics/node-keys.ts';
import type { FakeCluster } from '#client/fake/fake-cluster.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { readCertificateRequest } from '#machinery/pki/certificate-request.ts';
import { makeCertificateRequest } from '#machinery/pki/request.ts';
import { makeSigningKey } from '#machinery/pki/signing-key.ts';
import { failEveryStepOnce, inLab, type Lab, type Scene } from '../framework/lab.ts';
import { certificateControllers } from './controller.ts';

const NODE_SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet';
const JOINING = {
  username: 'system:bootstrap:abcdef',
  groups: ['system:bootstrappers:gantry:default-node-token'],
};
const sign = vi.fn(
  async (_request: string, { subject }: { subject: { commonName: string } }) =>
    `PEM of ${subject.commonName}`,
);

const first = await makeCertificateRequest(makeSigningKey(), node('n1'));
const second = await makeCertificateRequest(makeSigningKey(), node('n1'));
const hashOf = (pem: string) => readCertificateRequest(pem).keyHash;

function node(name: string) {
  return { commonName: `system:node:${name}`, organizations: ['system:nodes'] };
}

function request(
  name: string,
  pem: string,
  change: Partial<CertificateSigningRequest['spec']> = {},
): CertificateSigningRequest {
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: {
      request: Buffer.from(pem).toString('base64'),
      signerName: NODE_SIGNER,
      usages: ['client auth', 'digital signature'],
      ...JOINING,
      ...change,
    },
  };
}

/** Who asks is noted by the server, never taken from the request: as it would be after that. */
function ask(cluster: FakeCluster, asked: CertificateSigningRequest): void {
  const { name } = asked.metadata;
  const creationTimestamp = rfc3339(cluster.clock.now());
  const metadata = { name, uid: name, creationTimestamp };
  cluster.store(CertificateSigningRequestKind, { ...asked, metadata }, 'added');
}

const RIGHTS: Record<string, string> = {
  nodeclient: 'system:bootstrap:abcdef',
  selfnodeclient: 'system:node:n1',
  selfnodeserver: 'system:node:n1',
};

function scene(...requests: CertificateSigningRequest[]): Scene {
  return {
    roster: certificateControllers(sign),
    async arrange(cluster) {
      cluster.answer(SubjectAccessReviewKind, (review) => {
        const { user, resourceAttributes: asked } = review.spec!;
        const allowed = asked?.verb === 'create' && RIGHTS[asked.subresource ?? ''] === user;
        return { ...review, status: { allowed } };
      });
      for (const each of requests) ask(cluster, each);
    },
  };
}

const found = (cluster: FakeCluster, name: string) => cluster.get(CertificateSigningRequestKind, { name })!;
const certificateOf = (cluster: FakeCluster, name: string) =>
  Buffer.from(found(cluster, name).status?.certificate ?? '', 'base64').toString();
const conditions = (cluster: FakeCluster, name: string) =>
  (found(cluster, name).status?.conditions ?? []).map(({ type, reason }) => `${type} ${reason}`);
const bound = (cluster: FakeCluster) => cluster.get(ConfigMapKind, NODE_KEYS)?.data;
const register = ({ cluster }: Lab, name: string) =>
  cluster.client.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name } });

describe('a machine that joins', () => {
  test('gets its certificate, and its name, whichever step fails', async () => {
    await failEveryStepOnce(scene(request('a', first)), (cluster) => {
      expect(certificateOf(cluster, 'a')).toBe('PEM of system:node:n1');
      expect(conditions(cluster, 'a')).toEqual(['Approved AutoApproved']);
      expect(bound(cluster)).toEqual({ n1: hashOf(first) });
    });
  });

  test('is certified as it asked, for a client, for a year or as long as it wants', () =>
    inLab(scene(request('a', first), request('b', first, { expirationSeconds: 3600 })), () => {
      const orders = sign.mock.calls.slice(-2).map(([pem, order]) => [pem.trim(), order]);
      const order = { subject: node('n1'), usages: ['client'] };
      expect(orders).toContainEqual([first.trim(), { ...order, lifetimeMs: 365 * 24 * 3_600_000 }]);
      expect(orders).toContainEqual([first.trim(), { ...order, lifetimeMs: 3_600_000 }]);
    }));

  test('cannot have the name of one that has joined', () =>
    inLab(scene(request('a', first)), async (lab) => {
      ask(lab.cluster, request('b', second));
      await lab.settle();
      expect(conditions(lab.cluster, 'b')).toEqual(['Denied NameTaken']);
      expect(bound(lab.cluster)).toEqual({ n1: hashOf(first) });
    }));

  test('cannot have the name of a Node that never joined', () =>
    inLab(scene(), async (lab) => {
      await register(lab, 'n1');
      await lab.settle();
      ask(lab.cluster, request('a', first));
      await lab.settle();
      expect(conditions(lab.cluster, 'a')).toEqual(['Denied NameTaken']);
      expect(found(lab.cluster, 'a').status?.conditions?.[0]?.message).toContain('delete that Node first');
    }));

  test('may ask again for the same key', () =>
    inLab(scene(request('a', first)), async (lab) => {
      await register(lab, 'n1');
      ask(lab.cluster, request('b', first));
      await lab.settle();
      expect(certificateOf(lab.cluster, 'b')).toBe('PEM of system:node:n1');
    }));

  test('may have the name once its Node was deleted', () =>
    inLab(scene(request('a', first)), async (lab) => {
      await register(lab, 'n1');
      await lab.settle();
      expect(bound(lab.cluster)).toEqual({ n1: `${hashOf(first)} registered` });
      await lab.cluster.client.delete(NodeKind, { name: 'n1' });
      await lab.settle();
      expect(bound(lab.cluster)?.['n1']).toMatch(`${hashOf(first)} removed=`);
      ask(lab.cluster, request('b', second));
      await lab.settle();
      expect(certificateOf(lab.cluster, 'b')).toBe('PEM of system:node:n1');
      expect(bound(lab.cluster)).toEqual({ n1: hashOf(second) });
    }));

  test('is not known any more a year after its Node was deleted', () =>
    inLab(scene(request('a', first)), async (lab) => {
      await register(lab, 'n1');
      await lab.settle();
      await lab.cluster.client.delete(NodeKind, { name: 'n1' });
      await lab.settle();
      await lab.clock.advance(365 * 24 * 3_600_000);
      expect(bound(lab.cluster)?.['n1']).toMatch('removed=');
      await lab.clock.advance(25 * 3_600_000);
      expect(bound(lab.cluster)).toEqual({});
    }));

  test('may have the name of a machine with a server once that Node is gone, not before', () => {
    const before = scene(request('a', first));
    const arranged: Scene = {
      ...before,
      async arrange(cluster) {
        await before.arrange(cluster);
        const data = { n1: 'f server', n2: 'f registered server' };
        await cluster.client.create(ConfigMapKind, {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { ...NODE_KEYS },
          data,
        });
        for (const name of ['n1', 'n2'])
          await cluster.client.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name } });
      },
    };
    return inLab(arranged, async (lab) => {
      expect(conditions(lab.cluster, 'a')).toEqual(['Denied NameTaken']);
      expect(bound(lab.cluster)).toEqual({ n1: 'f registered server', n2: 'f registered server' });
      for (const name of ['n1', 'n2']) await lab.cluster.client.delete(NodeKind, { name });
      await lab.settle();
      expect(bound(lab.cluster)).toEqual({ n1: 'f server', n2: 'f server' });
      ask(lab.cluster, request('b', first));
      await lab.settle();
      expect(bound(lab.cluster)).toEqual({ n1: hashOf(first), n2: 'f server' });
    });
  });

  test('only one of two that ask for a name at once has it', () =>
    inLab(scene(request('a', first), request('b', second)), ({ cluster }) => {
      const decided = ['a', 'b'].map((name) => conditions(cluster, name)).sort();
      expect(decided).toEqual([['Approved AutoApproved'], ['Denied NameTaken']]);
    }));

  test('waits for people when it has not the right', () =>
    inLab(scene(request('a', first, { username: 'eve', groups: [] })), ({ cluster, log }) => {
      expect(conditions(cluster, 'a')).toEqual([]);
      expect(bound(cluster)).toBeUndefined();
      // Not tried again and again.
      expect(log.filter(({ level }) => level === 'error')).toEqual([]);
      expect(
        cluster.calls.filter(({ resource }) => resource.startsWith('subjectaccess')).length,
      ).toBeLessThan(3);
    }));
});

test('a node may renew its own with a new key; the one before stays good', () =>
  inLab(scene(request('a', first)), async (lab) => {
    const own = { username: 'system:node:n1', groups: ['system:nodes'] };
    ask(lab.cluster, request('b', second, own));
    await lab.settle();
    expect(certificateOf(lab.cluster, 'b')).toBe('PEM of system:node:n1');
    expect(bound(lab.cluster)).toEqual({ n1: `${hashOf(second)} ${hashOf(first)}` });
  }));

test('a node whose Node is gone gets no certificate for what it asked before', () =>
  inLab(scene(request('a', first)), async (lab) => {
    await register(lab, 'n1');
    await lab.settle();
    await lab.cluster.client.delete(NodeKind, { name: 'n1' });
    await lab.settle();
    ask(lab.cluster, request('b', second, { username: 'system:node:n1', groups: ['system:nodes'] }));
    await lab.settle();
    expect(conditions(lab.cluster, 'b')).toEqual(['Denied NameTaken']);
    expect(found(lab.cluster, 'b').status?.conditions?.[0]?.message).toContain('join again');
  }));

describe('what people approve', () => {
  const eve = { username: 'eve', groups: [] };
  const approve = ({ cluster, settle }: Lab, name: string) => {
    cluster.change(CertificateSigningRequestKind, { name }, (object) => {
      object.status = { conditions: [{ type: 'Approved', status: 'True', reason: 'Me' }] };
    });
    return settle();
  };

  test('has its name too, and nobody else has it then', () =>
    inLab(scene(request('a', first, eve), request('b', second, eve)), async (lab) => {
      await approve(lab, 'a');
      expect(certificateOf(lab.cluster, 'a')).toBe('PEM of system:node:n1');
      expect(bound(lab.cluster)).toEqual({ n1: hashOf(first) });
      await approve(lab, 'b');
      expect(conditions(lab.cluster, 'b')).toEqual(['Approved Me', 'Failed NameTaken']);
      expect(certificateOf(lab.cluster, 'b')).toBe('');
      expect(bound(lab.cluster)).toEqual({ n1: hashOf(first) });
    }));
});

test.each([
  ['other usages', first, { usages: ['server auth'] }],
  ['one usage too many', first, { usages: ['client auth', 'digital signature', 'any'] }],
])('a request with %s is left to people, and fails when they approve it', (_, pem, change) =>
  inLab(scene(request('a', pem, change)), async (lab) => {
    expect(conditions(lab.cluster, 'a')).toEqual([]);
    lab.cluster.change(CertificateSigningRequestKind, { name: 'a' }, (object) => {
      object.status = { conditions: [{ type: 'Approved', status: 'True', reason: 'Me' }] };
    });
    await lab.settle();
    expect(conditions(lab.cluster, 'a')).toEqual(['Approved Me', 'Failed SignerValidationFailure']);
  }),
);

describe('the serving certificate of a node', () => {
  const SERVING = 'kubernetes.io/kubelet-serving';
  const usages = ['digital signature', 'server auth'];
  const own = { signerName: SERVING, usages, username: 'system:node:n1', groups: ['system:nodes'] };
  const requestFor = (...names: string[]) => makeCertificateRequest(makeSigningKey(), node('n1'), names);
  const tell = (lab: Lab, ...addresses: string[]) => {
    lab.cluster.change(NodeKind, { name: 'n1' }, (object) => {
      object.status = { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) };
    });
    return lab.settle(61_000);
  };

  test('is signed for names and addresses that its Node has, in whatever form', async () => {
    const pem = await requestFor('n1', '10.0.0.1', '2001:db8::1');
    await inLab(scene(request('a', pem, own)), async (lab) => {
      await register(lab, 'n1');
      await tell(lab, '10.0.0.1', '2001:DB8:0::1', 'n1');
      expect(conditions(lab.cluster, 'a')).toEqual(['Approved AutoApproved']);
      expect(certificateOf(lab.cluster, 'a')).toBe('PEM of system:node:n1');
      expect(sign.mock.lastCall?.[1]).toEqual({
        subject: node('n1'),
        usages: ['server'],
        lifetimeMs: 365 * 24 * 3_600_000,
        subjectAlternativeNames: ['n1', '10.0.0.1', '2001:db8::1'],
      });
      expect(bound(lab.cluster)).toBeUndefined();
    });
  });

  test('waits while it names what the Node has not', async () => {
    const pem = await requestFor('n1', 'kubernetes.default.svc');
    await inLab(scene(request('a', pem, own)), async (lab) => {
      await register(lab, 'n1');
      await tell(lab, 'n1');
      expect(conditions(lab.cluster, 'a')).toEqual([]);
    });
  });

  test('is for the node itself alone', async () => {
    const pem = await requestFor('n1');
    await inLab(scene(request('a', pem, { ...own, username: 'system:node:n2' })), async (lab) => {
      await register(lab, 'n1');
      await tell(lab, 'n1');
      expect(conditions(lab.cluster, 'a')).toEqual([]);
    });
  });
});

const NAMED = await makeCertificateRequest(makeSigningKey(), node('n1'), ['n1']);
const ADDRESSED = await makeCertificateRequest(makeSigningKey(), node('n1'), ['::1']);
const OTHER = await makeCertificateRequest(makeSigningKey(), { commonName: 'n1', organizations: ['dev'] });
const FORMLESS = await makeCertificateRequest(makeSigningKey(), node('a/b'));
const CLIENT = 'kubernetes.io/kube-apiserver-client';
const SERVER = 'kubernetes.io/kubelet-serving';
const SIGNING = ['digital signature', 'client auth'];
test.each<[string, string, string[], string]>([
  [
    NODE_SIGNER,
    first,
    ['client auth'],
    'usages did not match [client auth digital signature key encipherment]',
  ],
  [
    NODE_SIGNER,
    first,
    [...SIGNING, 'any'],
    'usages did not match [client auth digital signature key encipherment]',
  ],
  [NODE_SIGNER, OTHER, SIGNING, 'subject organization is not system:nodes'],
  [NODE_SIGNER, FORMLESS, SIGNING, 'subject common name does not begin with system:node:'],
  [NODE_SIGNER, NAMED, SIGNING, 'DNS subjectAltNames are not allowed'],
  [NODE_SIGNER, ADDRESSED, SIGNING, 'IP subjectAltNames are not allowed'],
  [SERVER, first, ['server auth', 'digital signature'], 'DNS or IP subjectAltName is required'],
  [SERVER, NAMED, SIGNING, 'usages did not match [digital signature key encipherment server auth]'],
  [CLIENT, OTHER, ['digital signature'], 'missing required usage for client certificate: client auth'],
  [CLIENT, OTHER, ['client auth', 'server auth'], 'invalid usage for client certificate: server auth'],
])('%s signs no such thing, whoever approves it, and says why', (signerName, pem, usages, message) =>
  inLab(scene(request('a', pem, { signerName, usages })), async (lab) => {
    lab.cluster.change(CertificateSigningRequestKind, { name: 'a' }, (object) => {
      object.status = { conditions: [{ type: 'Approved', status: 'True', reason: 'Me' }] };
    });
    await lab.settle();
    const [, failed] = found(lab.cluster, 'a').status?.conditions ?? [];
    expect(failed).toMatchObject({ type: 'Failed', reason: 'SignerValidationFailure', message });
    expect(certificateOf(lab.cluster, 'a')).toBe('');
  }),
);

test('a person’s request is signed when people approve it, and nobody else’s signer is touched', async () => {
  const jane = await makeCertificateRequest(makeSigningKey(), { commonName: 'jane', organizations: ['dev'] });
  const client = { signerName: 'kubernetes.io/kube-apiserver-client' };
  const own = { signerName: 'example.com/own' };
  await inLab(scene(request('a', jane, client), request('b', jane, own)), async (lab) => {
    expect(conditions(lab.cluster, 'a')).toEqual([]);
    for (const name of ['a', 'b'])
      lab.cluster.change(CertificateSigningRequestKind, { name }, (object) => {
        object.status = { conditions: [{ type: 'Approved', status: 'True', reason: 'Me' }] };
      });
    await lab.settle();
    expect(certificateOf(lab.cluster, 'a')).toBe('PEM of jane');
    expect(certificateOf(lab.cluster, 'b')).toBe('');
  });
});

test('requests go an hour after the answer, a day after nobody has given one', () =>
  inLab(scene(request('a', first), request('b', first, { username: 'eve', groups: [] })), async (lab) => {
    await lab.clock.advance(61 * 60_000);
    expect(lab.cluster.all(CertificateSigningRequestKind).map(({ metadata }) => metadata.name)).toEqual([
      'b',
    ]);
    await lab.clock.advance(24 * 3_600_000);
    expect(lab.cluster.all(CertificateSigningRequestKind)).toEqual([]);
  }));
