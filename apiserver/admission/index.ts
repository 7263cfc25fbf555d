import type { Clock } from '#machinery/clock.ts';
import type { Random } from '#machinery/random.ts';
import { escalationPlugin } from '../authorization/escalation.ts';
import type { ServerAuthorizer } from '../authorization/index.ts';
import type { AdmissionPlugin } from '../contract.ts';
import { certificateApproval, certificateSigning, certificateSubjectRestriction } from './certificates.ts';
import { defaultIngressClass } from './default-ingress-class.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { limitRanger } from './limit-ranger.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import { podSecurity } from './pod-security/plugin.ts';
import { priority } from './priority.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccountPlugin } from './service-account.ts';

export { SYSTEM_PRIORITY_CLASSES } from './priority.ts';

export interface AdmissionDeps {
  authorizer: ServerAuthorizer;
  clock: Clock;
  random: Random;
}

/** The plugins in the order they run: first whether there is a place for the object, then what it gets, then who may. */
export function admissionPlugins({ authorizer, clock, random }: AdmissionDeps): readonly AdmissionPlugin[] {
  return [
    namespaceLifecycle(clock),
    limitRanger,
    serviceAccountPlugin(clock, random),
    nodeRestriction,
    priority,
    defaultTolerationSeconds,
    defaultStorageClass,
    runtimeClass,
    defaultIngressClass,
    escalationPlugin(authorizer),
    certificateApproval(authorizer),
    certificateSigning(authorizer),
    certificateSubjectRestriction,
    podSecurity,
  ];
}
