import { ConfigMapKind } from '../kinds/config-map.ts';
import { EndpointsKind } from '../kinds/endpoints.ts';
import { EventKind } from '../kinds/event.ts';
import { NamespaceKind } from '../kinds/namespace.ts';
import { SecretKind } from '../kinds/secret.ts';
import { ServiceKind } from '../kinds/service.ts';
import { ServiceAccountKind } from '../kinds/service-account.ts';
import { type Specimen, specimenOf } from './specimen.ts';

/** core/v1 ObjectReference with all of its fields. */
export const reference = {
  apiVersion: 'v1',
  kind: 'Pod',
  namespace: 'default',
  name: 'web',
  uid: '2b1f7a52-1d0f-4c3a-9b0e-6f1f8b0c7d11',
  resourceVersion: '7',
  fieldPath: 'spec.containers{web}',
};

const port = { name: 'http', protocol: 'TCP', appProtocol: 'example.com/h2', port: 80, targetPort: 'web' };
const base64 = Buffer.from('secret').toString('base64');

const services: Specimen = specimenOf(ServiceKind, {
  'a service inside the cluster': {
    spec: {
      type: 'ClusterIP',
      selector: { app: 'web' },
      ports: [port],
      clusterIP: '10.96.0.10',
      clusterIPs: ['10.96.0.10'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Local',
      trafficDistribution: 'PreferClose',
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
      externalIPs: ['192.0.2.10'],
      publishNotReadyAddresses: true,
    },
  },
  'a service behind a load balancer': {
    spec: {
      type: 'LoadBalancer',
      ports: [{ ...port, nodePort: 30080 }],
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 30081,
      loadBalancerIP: '192.0.2.1',
      loadBalancerClass: 'example.com/lb',
      loadBalancerSourceRanges: ['192.0.2.0/24'],
      allocateLoadBalancerNodePorts: false,
    },
  },
  'a name for a service elsewhere': { spec: { type: 'ExternalName', externalName: 'example.com' } },
});

const happened = {
  reason: 'Pulled',
  action: 'Pulling',
  type: 'Normal',
  eventTime: '2026-01-01T00:00:00.000000Z',
  series: { count: 2, lastObservedTime: '2026-01-01T00:00:10.000000Z' },
  related: reference,
  reportingInstance: 'n1',
};

export const coreNetworkSpecimens: readonly Specimen[] = [
  services,
  specimenOf(EndpointsKind, {
    'addresses behind a service': {
      subsets: [
        {
          addresses: [{ ip: '10.1.0.1', hostname: 'web-0', nodeName: 'n1', targetRef: reference }],
          notReadyAddresses: [{ ip: '10.1.0.2' }],
          ports: [{ name: 'http', port: 80, protocol: 'TCP', appProtocol: 'http' }],
        },
      ],
    },
  }),
  specimenOf(NamespaceKind, { 'a namespace': { spec: { finalizers: ['kubernetes', 'example.com/hold'] } } }),
  specimenOf(ServiceAccountKind, {
    'an account with secrets': {
      secrets: [reference],
      imagePullSecrets: [{ name: 'registry' }],
      automountServiceAccountToken: false,
    },
  }),
  specimenOf(ConfigMapKind, {
    'a map of text and bytes': { immutable: true, data: { a: 'b' }, binaryData: { c: base64 } },
  }),
  specimenOf(SecretKind, {
    'a secret of text and bytes': {
      immutable: true,
      type: 'Opaque',
      data: { a: base64 },
      stringData: { b: 'text' },
    },
  }),
  specimenOf(EventKind, {
    'an event of today': {
      ...happened,
      involvedObject: reference,
      message: 'Pulled it',
      reportingComponent: 'example.com/node',
    },
    'an event as it was before': {
      involvedObject: reference,
      reason: 'Pulled',
      message: 'Pulled it',
      type: 'Normal',
      source: { component: 'agent', host: 'n1' },
      firstTimestamp: '2026-01-01T00:00:00Z',
      lastTimestamp: '2026-01-01T00:00:10Z',
      count: 2,
    },
  }),
];

/** What events of both groups share. */
export const eventParts = happened;
