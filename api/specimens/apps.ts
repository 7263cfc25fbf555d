import { ControllerRevisionKind } from '../kinds/controller-revision.ts';
import { DaemonSetKind } from '../kinds/daemon-set.ts';
import { DeploymentKind } from '../kinds/deployment.ts';
import { ReplicaSetKind } from '../kinds/replica-set.ts';
import { StatefulSetKind } from '../kinds/stateful-set.ts';
import { type Specimen, specimenOf } from './specimen.ts';

const selector = {
  matchLabels: { app: 'web' },
  matchExpressions: [{ key: 'app', operator: 'In', values: ['web'] }],
};
const template = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image: 'nginx' }] },
};
const own = { selector, template };

export const appsSpecimens: readonly Specimen[] = [
  specimenOf(DeploymentKind, {
    'a rolling deployment': {
      spec: {
        ...own,
        replicas: 2,
        minReadySeconds: 1,
        revisionHistoryLimit: 3,
        progressDeadlineSeconds: 60,
        paused: true,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%', maxSurge: 1 } },
      },
    },
    'a deployment that is made anew': { spec: { ...own, strategy: { type: 'Recreate' } } },
  }),
  specimenOf(ReplicaSetKind, { 'a replica set': { spec: { ...own, replicas: 2, minReadySeconds: 1 } } }),
  specimenOf(StatefulSetKind, {
    'an ordered set': {
      spec: {
        ...own,
        replicas: 3,
        serviceName: 'web',
        podManagementPolicy: 'OrderedReady',
        minReadySeconds: 1,
        revisionHistoryLimit: 2,
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 1, maxUnavailable: 2 } },
        persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
        ordinals: { start: 1 },
        volumeClaimTemplates: [
          {
            metadata: { name: 'data' },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
          },
        ],
      },
    },
    'a parallel set that is updated by hand': {
      spec: {
        ...own,
        serviceName: 'web',
        podManagementPolicy: 'Parallel',
        updateStrategy: { type: 'OnDelete' },
      },
    },
  }),
  specimenOf(DaemonSetKind, {
    'a rolling daemon': {
      spec: {
        ...own,
        minReadySeconds: 1,
        revisionHistoryLimit: 2,
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '50%', maxSurge: 0 } },
      },
    },
    'a daemon that is updated by hand': { spec: { ...own, updateStrategy: { type: 'OnDelete' } } },
  }),
  specimenOf(ControllerRevisionKind, { 'a revision': { data: { spec: {} }, revision: 2 } }),
];
