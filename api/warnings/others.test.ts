import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { MemoryFiles } from '#machinery/files-memory.ts';
import { pkiDirectory } from '#machinery/pki/directory.ts';
import { systemRandom } from '#machinery/random.ts';
import type { Kind } from '../kind.ts';
import { CSIStorageCapacityKind } from '../kinds/csi-storage-capacity.ts';
import { EndpointSliceKind } from '../kinds/endpoint-slice.ts';
import { EndpointsKind } from '../kinds/endpoints.ts';
import { IngressKind } from '../kinds/ingress.ts';
import { NetworkPolicyKind } from '../kinds/network-policy.ts';
import { NodeKind } from '../kinds/node.ts';
import { PersistentVolumeKind } from '../kinds/persistent-volume.ts';
import { PersistentVolumeClaimKind } from '../kinds/persistent-volume-claim.ts';
import { PodKind } from '../kinds/pod.ts';
import { RuntimeClassKind } from '../kinds/runtime-class.ts';
import { SecretKind } from '../kinds/secret.ts';
import { ServiceKind } from '../kinds/service.ts';
import { ServiceAccountKind } from '../kinds/service-account.ts';
import { StorageClassKind } from '../kinds/storage-class.ts';
import { make, type Parts, warningsOf } from '../testing/objects.ts';
import { addressWarnings, cidrWarnings } from './addresses.ts';

const LONG = 'IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")';
const annotated = (key: string) => ({ metadata: { annotations: { [key]: 'x' } } });
const OLD_OS = 'deprecated since v1.14; use "kubernetes.io/os" instead';
const onOldOs = { matchExpressions: [{ key: 'beta.kubernetes.io/os', operator: 'Exists' }] };

describe('an address', () => {
  it.each<[string, string[]]>([
    ['10.0.0.1', []],
    ['2001:db8::1', []],
    ['nonsense', []],
    ['2001:DB8::1', [`f: ${LONG}`]],
    [
      '::ffff:10.0.0.1',
      [
        'f: non-standard IP address "::ffff:10.0.0.1" will be considered invalid in a future Kubernetes release: use "10.0.0.1"',
      ],
    ],
  ])('%s', (text, warnings) => expect(addressWarnings('f', text)).toEqual(warnings));

  it.each<[string, string[]]>([
    ['10.0.0.0/8', []],
    ['2001:db8::/32', []],
    ['nonsense', []],
    [
      '10.0.0.1/8',
      ['f: CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)'],
    ],
    [
      '2001:db8::1/32',
      [
        'f: CIDR value "2001:db8::1/32" is ambiguous in this context (should be "2001:db8::/32" or "2001:db8::1/128"?)',
      ],
    ],
    [
      '::ffff:10.0.0.0/104',
      [
        'f: non-standard CIDR value "::ffff:10.0.0.0/104" will be considered invalid in a future Kubernetes release: use "10.0.0.0/8"',
      ],
    ],
    [
      '2001:0db8::/32',
      ['f: IPv6 CIDR value "2001:0db8::/32" should be in RFC 5952 canonical format ("2001:db8::/32")'],
    ],
  ])('of many: %s', (text, warnings) => expect(cidrWarnings('f', text)).toEqual(warnings));
});

const port = { ports: [{ port: 80 }] };

describe('what is said of', () => {
  it.each<[Kind, Parts, string[]]>([
    [ServiceKind as Kind, { spec: { ...port, externalIPs: ['10.0.0.1'], loadBalancerIP: '10.0.0.1' } }, []],
    [
      ServiceKind as Kind,
      { ...annotated('service.kubernetes.io/topology-aware-hints'), spec: port },
      [
        'annotation service.kubernetes.io/topology-aware-hints is deprecated, please use service.kubernetes.io/topology-mode instead',
      ],
    ],
    [
      ServiceKind as Kind,
      {
        spec: {
          ...port,
          clusterIPs: ['2001:DB8::1'],
          externalIPs: ['2001:DB8::1'],
          loadBalancerIP: '2001:DB8::1',
          loadBalancerSourceRanges: ['10.0.0.1/8'],
          externalName: 'x',
        },
      },
      [
        `spec.clusterIPs[0]: ${LONG}`,
        `spec.externalIPs[0]: ${LONG}`,
        `spec.loadBalancerIP: ${LONG}`,
        'spec.loadBalancerSourceRanges[0]: CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)',
        'spec.externalName is ignored when spec.type is not "ExternalName"',
      ],
    ],
    [
      ServiceKind as Kind,
      {
        spec: {
          ...port,
          clusterIP: 'None',
          loadBalancerIP: '10.0.0.1',
          externalIPs: ['10.0.0.1'],
          sessionAffinity: 'ClientIP',
        },
      },
      [
        'spec.loadBalancerIP is ignored for headless services',
        'spec.externalIPs is ignored for headless services',
        'spec.SessionAffinity is ignored for headless services',
      ],
    ],
    [
      ServiceKind as Kind,
      { spec: { type: 'ExternalName', externalName: 'x', externalIPs: ['10.0.0.1'] } },
      ['spec.externalIPs is ignored when spec.type is "ExternalName"'],
    ],
    [
      EndpointsKind as Kind,
      { subsets: [{ addresses: [{ ip: '2001:DB8::1' }], notReadyAddresses: [{ ip: '2001:DB8::1' }] }] },
      [`subsets[0].addresses[0].ip: ${LONG}`, `subsets[0].notReadyAddresses[0].ip: ${LONG}`],
    ],
    [
      EndpointsKind as Kind,
      {
        metadata: { labels: { 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' } },
        subsets: [{ addresses: [{ ip: '2001:DB8::1' }] }],
      },
      [],
    ],
    [
      EndpointSliceKind as Kind,
      { addressType: 'IPv6', endpoints: [{ addresses: ['2001:DB8::1'] }] },
      [`endpoints[0].addresses[0]: ${LONG}`],
    ],
    [
      EndpointSliceKind as Kind,
      {
        metadata: { labels: { 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' } },
        addressType: 'IPv6',
        endpoints: [{ addresses: ['2001:DB8::1'] }],
      },
      [],
    ],
    [
      EndpointSliceKind as Kind,
      { addressType: 'FQDN', endpoints: [{ addresses: ['example.com'] }] },
      ['spec.addressType: FQDN endpoints are deprecated'],
    ],
    [
      IngressKind as Kind,
      { ...annotated('kubernetes.io/ingress.class'), spec: {} },
      [`annotation "kubernetes.io/ingress.class" is deprecated, please use 'spec.ingressClassName' instead`],
    ],
    [
      IngressKind as Kind,
      { ...annotated('kubernetes.io/ingress.class'), spec: { ingressClassName: 'x' } },
      [],
    ],
    [
      NetworkPolicyKind as Kind,
      {
        spec: {
          podSelector: {},
          ingress: [{ from: [{ podSelector: {} }, { ipBlock: { cidr: '10.0.0.1/8' } }] }],
          egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.1/16'] } }] }],
        },
      },
      [
        'spec.ingress[0].from[1].ipBlock.cidr: CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)',
        'spec.egress[0].to[0].ipBlock.except[0]: CIDR value "10.1.0.1/16" is ambiguous in this context (should be "10.1.0.0/16" or "10.1.0.1/32"?)',
      ],
    ],
    [
      NodeKind as Kind,
      { spec: { configSource: {}, externalID: 'x', podCIDRs: ['10.0.0.0/24'] } },
      [
        'spec.configSource: the feature is removed',
        'spec.externalID: this field is deprecated, and is unused by Kubernetes',
      ],
    ],
    [
      PersistentVolumeKind as Kind,
      {
        metadata: {
          annotations: {
            'volume.beta.kubernetes.io/storage-class': 'x',
            'volume.beta.kubernetes.io/mount-options': 'x',
          },
        },
        spec: {
          persistentVolumeReclaimPolicy: 'Recycle',
          nodeAffinity: { required: { nodeSelectorTerms: [onOldOs] } },
          cephfs: {},
          flocker: {},
        },
      },
      [
        'metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" attribute instead',
        'metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; use "mountOptions" attribute instead',
        'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
        `spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is ${OLD_OS}`,
        'spec.cephfs: deprecated in v1.28, non-functional in v1.31+',
      ],
    ],
    [
      PersistentVolumeClaimKind as Kind,
      {
        ...annotated('volume.beta.kubernetes.io/storage-class'),
        spec: { resources: { requests: { storage: '1500m' }, limits: { storage: '1Gi' } } },
      },
      [
        'metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" attribute instead',
        'spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
      ],
    ],
    [
      StorageClassKind as Kind,
      {
        allowedTopologies: [
          { matchLabelExpressions: [{ key: 'a' }, { key: 'beta.kubernetes.io/os', values: ['x'] }] },
        ],
      },
      [`allowedTopologies[0].matchLabelExpressions[1].key: ${OLD_OS}`],
    ],
    [
      CSIStorageCapacityKind as Kind,
      { nodeTopology: { ...onOldOs, matchLabels: { 'beta.kubernetes.io/os': 'x', a: 'b' } } },
      [
        `nodeTopology.matchExpressions[0].key: beta.kubernetes.io/os is ${OLD_OS}`,
        `nodeTopology.matchLabels.beta.kubernetes.io/os: ${OLD_OS}`,
      ],
    ],
    [
      RuntimeClassKind as Kind,
      { scheduling: { nodeSelector: { 'beta.kubernetes.io/os': 'x', a: 'b' } } },
      [`scheduling.nodeSelector: ${OLD_OS}`],
    ],
  ])('$kind %j', (kind, parts, warnings) => {
    expect(warningsOf(kind, parts)).toEqual(warnings);
  });

  it('an ingress and a slice of names is said once, when they are made', () => {
    const ingress = { ...annotated('kubernetes.io/ingress.class'), spec: {} };
    expect(warningsOf(IngressKind, ingress, ingress)).toEqual([]);
    const slice = { addressType: 'FQDN' };
    expect(warningsOf(EndpointSliceKind, slice, slice)).toEqual([]);
  });
});

describe('the status', () => {
  const addresses = [{ ip: '10.0.0.1' }, { ip: '2001:DB8::1' }];

  it('of a service and of a pod has addresses too', () => {
    const ingress = [...addresses, { hostname: 'h' }];
    const service = make(ServiceKind, { spec: port, status: { loadBalancer: { ingress } } });
    expect(ServiceKind.strategy.statusWarnings!(service)).toEqual([
      `status.loadBalancer.ingress[1]: ${LONG}`,
    ]);
    const pod = make(PodKind, {
      spec: { containers: [] },
      status: { podIPs: addresses, hostIPs: addresses },
    });
    expect(PodKind.strategy.statusWarnings!(pod)).toEqual([
      `status.podIPs[1].ip: ${LONG}`,
      `status.hostIPs[1].ip: ${LONG}`,
    ]);
  });
});

describe('a service account', () => {
  const parts = annotated('kubernetes.io/enforce-mountable-secrets');

  it('is told when it first limits its secrets', () => {
    const text =
      'metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets';
    expect(warningsOf(ServiceAccountKind, parts)).toEqual([text]);
    expect(warningsOf(ServiceAccountKind, parts, {})).toEqual([text]);
    expect(warningsOf(ServiceAccountKind, parts, parts)).toEqual([]);
    expect(warningsOf(ServiceAccountKind, {})).toEqual([]);
  });

  it('keeps only the names of its secrets', () => {
    const account = make(ServiceAccountKind, { secrets: [{ name: 'a', namespace: 'b', kind: 'Secret' }] });
    ServiceAccountKind.strategy.prepareForCreate!(account);
    expect(account.secrets).toEqual([{ name: 'a' }]);
    ServiceAccountKind.strategy.prepareForUpdate!(account, account);
    expect(account.secrets).toEqual([{ name: 'a' }]);
  });
});

describe('a key pair', async () => {
  const files = { files: new MemoryFiles(), clock: systemClock, random: systemRandom };
  const { certificate, key } = await pkiDirectory('/pki', files).authority('ca', 'ca');
  const pem = (type: string) => `-----BEGIN ${type}-----\nAAAA\n-----END ${type}-----\n`;
  const other = (type: 'ec' | 'rsa') =>
    (type === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 })
    ).privateKey
      .export({ type: 'pkcs8', format: 'pem' })
      .toString();

  it.each<[string, string, string, string | undefined]>([
    ['that belongs together', certificate, key, undefined],
    ['without a certificate', 'x', key, 'failed to find any PEM data in certificate input'],
    [
      'the wrong way round',
      key,
      certificate,
      'failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
    ],
    [
      'of other things than certificates',
      pem('A') + pem('B'),
      key,
      'failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [A B]',
    ],
    ['without a key', certificate, '', 'failed to find any PEM data in key input'],
    [
      'of two certificates',
      certificate,
      certificate,
      'found a certificate rather than a key in the PEM for the private key',
    ],
    [
      'of other things than keys',
      certificate,
      pem('A'),
      'failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [A]',
    ],
    ['with a key that is none', certificate, pem('PRIVATE KEY'), 'failed to parse private key'],
    ['of strangers', certificate, other('ec'), 'private key does not match public key'],
    ['of other kinds', certificate, other('rsa'), 'private key type does not match public key type'],
  ])('%s', (_name, crt, privateKey, fault) => {
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const parts = {
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': base64(crt), 'tls.key': base64(privateKey) },
    };
    expect(warningsOf(SecretKind, parts)).toEqual(fault === undefined ? [] : [`tls: ${fault}`]);
    expect(warningsOf(SecretKind, { ...parts, type: 'Opaque' })).toEqual([]);
  });
});
