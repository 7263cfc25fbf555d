import { APIServiceKind } from '../kinds/api-service.ts';
import { type Specimen, specimenOf } from './specimen.ts';

export const apiRegistrationSpecimens: readonly Specimen[] = [
  specimenOf(APIServiceKind, {
    'a version that another server serves': {
      metadata: { name: 'v1beta1.metrics.example.com' },
      spec: {
        service: { namespace: 'kube-system', name: 'metrics', port: 4443 },
        group: 'metrics.example.com',
        version: 'v1beta1',
        caBundle: 'AAAA',
        groupPriorityMinimum: 100,
        versionPriority: 100,
      },
    },
    'one whose server is not verified': {
      metadata: { name: 'v1.metrics.example.com' },
      spec: {
        service: { namespace: 'kube-system', name: 'metrics' },
        group: 'metrics.example.com',
        version: 'v1',
        insecureSkipTLSVerify: true,
        groupPriorityMinimum: 100,
        versionPriority: 100,
      },
    },
  }),
];
