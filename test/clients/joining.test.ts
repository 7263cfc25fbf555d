/** How a machine becomes a node, is renewed and removed: the API server over TLS, the controllers and the agent's requests, all real. */
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { CertificateSigningRequestKind } from '#api/kinds/certificate-signing-request.ts';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NodeKind } from '#api/kinds/node.ts';
import { SecretKind } from '#api/kinds/secret.ts';
import { bootstrapTokenSecret, NODE_TOKEN_GROUP } from '#api/semantics/bootstrap-tokens.ts';
import { NODE_KEYS } from '#api/semantics/node-keys.ts';
import type { Served } from '#apiserver/testing/served.ts';
import { http2Transport } from '#client/http2-transport.ts';
import { restClient } from '#client/rest.ts';
import { systemClock } from '#machinery/clock.ts';
import { silentLogger } from '#machinery/log.ts';
import { makeCertificateRequest } from '#machinery/pki/request.ts';
import { makeSigningKey } from '#machinery/pki/signing-key.ts';
import { requestCertificate } from '#node-agent/registration/certificate.ts';
import { openControlPlane } from './control-plane.ts';

const TOKEN = { id: 'abc123', secret: 'abcdefghij012345' };
const clock = systemClock;
const transports: { close(): void }[] = [];
let served: Served;

beforeAll(async () => {
  served = await openControlPlane();
  const secret = bootstrapTokenSecret({ ...TOKEN, groups: [NODE_TOKEN_GROUP] });
  await served.server.engine.create(SecretKind, secret, 'test');
});

afterAll(async () => {
  for (const transport of transports) transport.close();
  await served.stop();
});

function clientWith(credentials: { token: string } | { key: string; certificate: string }) {
  const transport = http2Transport({
    url: `https://127.0.0.1:${served.port}`,
    clock,
    ca: served.authority.certificate,
    ...('token' in credentials
      ? { token: () => credentials.token }
      : { certificate: () => ({ cert: credentials.certificate, key: credentials.key }) }),
  });
  transports.push(transport);
  return restClient({ transport, clock, userAgent: 'test' });
}

const stranger = () => clientWith({ token: `${TOKEN.id}.${TOKEN.secret}` });

/** Asks as `client`; resolves to the pair, rejects with the refusal. */
async function certified(client: ReturnType<typeof stranger>, name: string, key = makeSigningKey()) {
  const signal = AbortSignal.timeout(10_000);
  const certificate = await requestCertificate(key, name, { client, clock, log: silentLogger, signal });
  return { key, certificate };
}

const register = (client: ReturnType<typeof stranger>, name: string) =>
  client.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name } });
const look = (client: ReturnType<typeof stranger>, name: string) => client.get(NodeKind, { name });
async function allOf<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of stream) all.push(each);
  return all;
}
const refused = { reason: 'Unauthorized' };

test('a machine joins by its token, renews by itself, and is out once its Node is deleted', async () => {
  const pair = await certified(stranger(), 'n1');
  const node = clientWith(pair);
  await register(node, 'n1');
  const renewed = clientWith(await certified(node, 'n1'));
  // Both keys are good until the next renewal, which the old one may not ask for any more.
  expect(await look(renewed, 'n1')).toMatchObject({ metadata: { name: 'n1' } });
  expect(await look(node, 'n1')).toMatchObject({ metadata: { name: 'n1' } });
  const again = clientWith(await certified(renewed, 'n1'));
  await expect(look(node, 'n1')).rejects.toMatchObject(refused);

  const watching = allOf(
    again.watch(NodeKind, { resourceVersion: '0', signal: AbortSignal.timeout(10_000) }),
  );
  const { code, err } = await served.kubectl(['delete', 'node', 'n1']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect((await watching).map(({ type }) => type)).toContain('deleted');
  // At once, on the connection that it has.
  await expect(look(again, 'n1')).rejects.toMatchObject(refused);
  await expect(register(again, 'n1')).rejects.toMatchObject(refused);
  await expect(register(renewed, 'n1')).rejects.toMatchObject(refused);

  const back = clientWith(await certified(stranger(), 'n1'));
  expect(await register(back, 'n1')).toMatchObject({ metadata: { name: 'n1' } });
  await expect(look(again, 'n1')).rejects.toMatchObject(refused);
});

test('a stolen token takes over no node, and who holds it is told why', async () => {
  const node = clientWith(await certified(stranger(), 'n2'));
  await register(node, 'n2');
  await expect(certified(stranger(), 'n2')).rejects.toThrow(
    'node n2 is another machine: its name is bound to another key; choose another name, or delete that Node first',
  );
  expect(await look(node, 'n2')).toMatchObject({ metadata: { name: 'n2' } });
  const out = async (...args: string[]) => (await served.kubectl(args)).out.trim();
  expect(await out('get', 'csr', '-o', 'jsonpath={.items[*].status.conditions[*].reason}')).toContain(
    'NameTaken',
  );
});

test('neither a node nor who holds a token can change to which key a name is bound; nodes read it, to know each other', async () => {
  const node = clientWith(await certified(stranger(), 'n6'));
  await register(node, 'n6');
  for (const client of [node, stranger()]) {
    const patch = { type: 'merge' as const, body: { data: { n6: null } } };
    await expect(client.patch(ConfigMapKind, NODE_KEYS, patch)).rejects.toMatchObject({
      reason: 'Forbidden',
    });
    await expect(client.delete(ConfigMapKind, NODE_KEYS)).rejects.toMatchObject({ reason: 'Forbidden' });
  }
  expect((await node.get(ConfigMapKind, NODE_KEYS)).data).toHaveProperty('n6');
  await expect(stranger().get(ConfigMapKind, NODE_KEYS)).rejects.toMatchObject({ reason: 'Forbidden' });
});

test('people approve what no controller does; the name is bound all the same', async () => {
  const own = await served.client('jane', ['dev']);
  const rights = ['--verb=create,get', '--resource=certificatesigningrequests'];
  expect((await served.kubectl(['create', 'clusterrole', 'asks', ...rights])).code).toBe(0);
  expect(
    (await served.kubectl(['create', 'clusterrolebinding', 'asks', '--clusterrole=asks', '--user=jane']))
      .code,
  ).toBe(0);
  const key = makeSigningKey();
  const asking = certified(clientWith(own), 'n3', key);
  const name = await vi.waitFor(async () => {
    const { out } = await served.kubectl(['get', 'csr', '--no-headers']);
    const line = out.split('\n').find((each) => each.includes(' jane '));
    expect(line).toMatch(/Pending$/);
    return line!.split(' ')[0]!;
  }, 5_000);
  const approval = await served.kubectl(['certificate', 'approve', name]);
  expect(approval).toMatchObject({
    code: 0,
    out: `certificatesigningrequest.certificates.k8s.io/${name} approved\n`,
  });
  await register(clientWith(await asking), 'n3');
  const table = await served.kubectl(['get', 'csr', name, '--no-headers']);
  expect(table.out).toMatch(
    /kubernetes\.io\/kube-apiserver-client-kubelet +jane +<none> +Approved,Issued\n$/,
  );
  await expect(certified(stranger(), 'n3')).rejects.toThrow('node n3 is another machine');
});

test('people deny, and who waits is told', async () => {
  const asking = certified(clientWith(await served.client('jane', ['dev'])), 'n4');
  const refusal = expect(asking).rejects.toThrow(/is denied/);
  const name = await vi.waitFor(async () => {
    const { out } = await served.kubectl(['get', 'csr', '--no-headers']);
    const line = out.split('\n').find((each) => each.endsWith('Pending'));
    expect(line).toBeDefined();
    return line!.split(' ')[0]!;
  }, 5_000);
  expect(await served.kubectl(['certificate', 'deny', name])).toMatchObject({ code: 0 });
  await refusal;
});

test('a node gets a certificate to serve by, for its own names', async () => {
  const node = clientWith(await certified(stranger(), 'n5'));
  await register(node, 'n5');
  const status = { addresses: [{ type: 'InternalIP', address: '192.0.2.5' }] };
  await node.patch(NodeKind, { name: 'n5' }, { type: 'merge', body: { status } }, 'status');
  const subject = { commonName: 'system:node:n5', organizations: ['system:nodes'] };
  const pem = await makeCertificateRequest(makeSigningKey(), subject, ['192.0.2.5']);
  await node.create(CertificateSigningRequestKind, {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'serving-n5' },
    spec: {
      request: Buffer.from(pem).toString('base64'),
      signerName: 'kubernetes.io/kubelet-serving',
      usages: ['digital signature', 'server auth'],
      expirationSeconds: 3600,
    },
  });
  const issued = await vi.waitFor(async () => {
    const found = await node.get(CertificateSigningRequestKind, { name: 'serving-n5' });
    expect(found.status?.certificate).toBeDefined();
    return new X509Certificate(Buffer.from(found.status!.certificate!, 'base64'));
  }, 5_000);
  expect(issued.subjectAltName).toBe('IP Address:192.0.2.5');
  expect(issued.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  expect(issued.validToDate.getTime() - clock.now()).toBeLessThanOrEqual(3_600_000);
});
