import { PodTemplateKind } from '../kinds/pod-template.ts';
import { ReplicationControllerKind } from '../kinds/replication-controller.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const template = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image: 'nginx' }] },
};

export const replicationSpecimens: readonly Specimen[] = [
  specimenOf(PodTemplateKind, { 'a template': { template } }),
  specimenOf(ReplicationControllerKind, {
    'three pods': { spec: { replicas: 3, minReadySeconds: 5, selector: { app: 'web' }, template } },
  }),
];
