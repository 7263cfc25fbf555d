import { NetworkPolicyKind } from '../kinds/network-policy.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const selector = {
  matchLabels: { app: 'web' },
  matchExpressions: [{ key: 'tier', operator: 'In', values: ['front'] }],
};

export const networkingSpecimens: readonly Specimen[] = [
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
];
