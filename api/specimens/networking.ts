import { IngressKind } from '../kinds/ingress.ts';
import { IngressClassKind } from '../kinds/ingress-class.ts';
import { IPAddressKind } from '../kinds/ip-address.ts';
import { NetworkPolicyKind } from '../kinds/network-policy.ts';
import { ServiceCIDRKind } from '../kinds/service-cidr.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const selector = {
  matchLabels: { app: 'web' },
  matchExpressions: [{ key: 'tier', operator: 'In', values: ['front'] }],
};

const bucket = { apiGroup: 'storage.example.com', kind: 'Bucket', name: 'static' };

export const networkingSpecimens: readonly Specimen[] = [
  specimenOf(IngressClassKind, {
    'a class with parameters of the cluster': {
      spec: {
        controller: 'example.com/proxy',
        parameters: { apiGroup: 'example.com', kind: 'Proxy', name: 'p', scope: 'Cluster' },
      },
    },
    'a class with parameters of a namespace': {
      spec: {
        controller: 'example.com/proxy',
        parameters: { kind: 'ConfigMap', name: 'p', scope: 'Namespace', namespace: 'default' },
      },
    },
  }),
  specimenOf(IngressKind, {
    'an ingress with all that it can have': {
      spec: {
        ingressClassName: 'proxy',
        defaultBackend: { resource: bucket },
        tls: [{ hosts: ['example.com', '*.example.com'], secretName: 'tls' }],
        rules: [
          {
            host: '*.example.com',
            http: {
              paths: [
                {
                  path: '/a',
                  pathType: 'Prefix',
                  backend: { service: { name: 'a', port: { name: 'http' } } },
                },
                {
                  pathType: 'ImplementationSpecific',
                  backend: { service: { name: 'b', port: { number: 80 } } },
                },
              ],
            },
          },
        ],
      },
    },
  }),
  specimenOf(NetworkPolicyKind, {
    'a policy for both directions': {
      spec: {
        podSelector: selector,
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          {
            ports: [{ protocol: 'TCP', port: 80, endPort: 90 }],
            from: [{ podSelector: selector, namespaceSelector: selector }],
          },
        ],
        egress: [
          {
            ports: [{ protocol: 'UDP', port: 'dns' }],
            to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }],
          },
        ],
      },
    },
    'a policy that refuses everything': { spec: { podSelector: {} } },
  }),
  specimenOf(IPAddressKind, {
    'the address of a service': {
      metadata: { name: '10.96.0.10' },
      spec: { parentRef: { group: 'example.com', resource: 'gateways', namespace: 'default', name: 'g' } },
    },
  }),
  specimenOf(ServiceCIDRKind, {
    'a range of each family': { spec: { cidrs: ['10.96.0.0/12', 'fd00:10:96::/108'] } },
  }),
];
