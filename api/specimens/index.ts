/** The specimens of all kinds. Adding a group is a file in this folder and a line in the list. */
import { admissionRegistrationSpecimens } from './admission-registration.ts';
import { apiExtensionSpecimens } from './api-extensions.ts';
import { apiRegistrationSpecimens } from './api-registration.ts';
import { appsSpecimens } from './apps.ts';
import { autoscalingSpecimens } from './autoscaling.ts';
import { batchSpecimens } from './batch.ts';
import { certificateSpecimens } from './certificates.ts';
import { coordinationSpecimens } from './coordination.ts';
import { coreNetworkSpecimens } from './core-network.ts';
import { discoverySpecimens } from './discovery.ts';
import { flowControlSpecimens } from './flow-control.ts';
import { networkingSpecimens } from './networking.ts';
import { nodeSpecimens } from './node.ts';
import { podSpecimens } from './pods.ts';
import { policySpecimens } from './policy.ts';
import { quotaSpecimens } from './quotas.ts';
import { rbacSpecimens } from './rbac.ts';
import { replicationSpecimens } from './replication.ts';
import { schedulingSpecimens } from './scheduling.ts';
import type { Specimen } from './specimen.ts';
import { storageSpecimens } from './storage.ts';
import { volumeSpecimens } from './volumes.ts';

export const SPECIMENS: readonly Specimen[] = [
  ...admissionRegistrationSpecimens,
  ...apiExtensionSpecimens,
  ...apiRegistrationSpecimens,
  ...appsSpecimens,
  ...autoscalingSpecimens,
  ...batchSpecimens,
  ...certificateSpecimens,
  ...coordinationSpecimens,
  ...flowControlSpecimens,
  ...coreNetworkSpecimens,
  ...discoverySpecimens,
  ...networkingSpecimens,
  ...nodeSpecimens,
  ...podSpecimens,
  ...policySpecimens,
  ...quotaSpecimens,
  ...rbacSpecimens,
  ...replicationSpecimens,
  ...schedulingSpecimens,
  ...storageSpecimens,
  ...volumeSpecimens,
];
