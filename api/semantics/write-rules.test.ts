import { describe, expect, it } from 'vitest';
import { type Kind, resourceName } from '../kind.ts';
import { KINDS } from '../kinds/index.ts';
import { hasWriteRules, resetFieldsOf, type WriteRules, writeRulesOf } from './write-rules.ts';

const STORED = KINDS.filter((kind) => !kind.virtual && !kind.computed);
const named = (name: string) => KINDS.find((kind) => resourceName(kind) === name)!;
const those = (holds: (rules: WriteRules) => boolean) =>
  [...new Set(STORED.filter((kind) => holds(writeRulesOf(kind))).map(resourceName))].sort();

describe('the rules of writes', () => {
  it('are told for every kind that is kept', () => {
    expect(STORED.filter((kind) => !hasWriteRules(kind)).map(resourceName)).toEqual([]);
  });

  it('are those of custom resources for the kinds of users', () => {
    const widgets = { ...named('configmaps'), group: 'example.com', plural: 'widgets' } as Kind;
    expect(writeRulesOf(widgets)).toMatchObject({ createsOnUpdate: false, needsVersion: true });
    expect(writeRulesOf(widgets)).toMatchObject({ generation: 'counted', dependents: 'deleted' });
  });

  // Source: AllowCreateOnUpdate of Kubernetes' strategies.
  it('let a PUT make what is missing of some', () => {
    expect(those((rules) => rules.createsOnUpdate)).toEqual([
      'clusterrolebindings.rbac.authorization.k8s.io',
      'clusterroles.rbac.authorization.k8s.io',
      'endpoints',
      'events',
      'events.events.k8s.io',
      'leases.coordination.k8s.io',
      'limitranges',
      'rolebindings.rbac.authorization.k8s.io',
      'roles.rbac.authorization.k8s.io',
      'runtimeclasses.node.k8s.io',
      'services',
    ]);
  });

  // Source: AllowUnconditionalUpdate of Kubernetes' strategies.
  it('ask a PUT of some for the version that it replaces', () => {
    expect(those((rules) => rules.needsVersion)).toEqual([
      'apiservices.apiregistration.k8s.io',
      'csidrivers.storage.k8s.io',
      'csinodes.storage.k8s.io',
      'csistoragecapacities.storage.k8s.io',
      'customresourcedefinitions.apiextensions.k8s.io',
      'leases.coordination.k8s.io',
      'mutatingadmissionpolicies.admissionregistration.k8s.io',
      'mutatingadmissionpolicybindings.admissionregistration.k8s.io',
      'mutatingwebhookconfigurations.admissionregistration.k8s.io',
      'poddisruptionbudgets.policy',
      'runtimeclasses.node.k8s.io',
      'validatingadmissionpolicies.admissionregistration.k8s.io',
      'validatingadmissionpolicybindings.admissionregistration.k8s.io',
      'validatingwebhookconfigurations.admissionregistration.k8s.io',
      'volumeattachments.storage.k8s.io',
    ]);
  });

  // Source: ReturnDeletedObject of Kubernetes' storages.
  it('answer a DELETE of some with the object', () => {
    expect(those((rules) => rules.returnsDeleted)).toEqual([
      'csidrivers.storage.k8s.io',
      'csinodes.storage.k8s.io',
      'persistentvolumeclaims',
      'persistentvolumes',
      'pods',
      'podtemplates',
      'resourcequotas',
      'serviceaccounts',
      'services',
      'storageclasses.storage.k8s.io',
      'volumeattachments.storage.k8s.io',
      'volumeattributesclasses.storage.k8s.io',
    ]);
  });

  // Source: DefaultGarbageCollectionPolicy of Kubernetes' strategies.
  it('leave the dependents of some, and know none of events', () => {
    expect(those((rules) => rules.dependents === 'orphaned')).toEqual([
      'jobs.batch',
      'replicationcontrollers',
    ]);
    expect(those((rules) => rules.dependents === 'ignored')).toEqual(['events', 'events.events.k8s.io']);
  });

  it.each<[string, string, readonly string[]]>([
    ['configmaps', '', []],
    ['replicasets.apps', '', ['status']],
    ['replicasets.apps', 'status', ['spec']],
    ['replicasets.apps', 'scale', ['status']],
    ['deployments.apps', 'status', ['spec', 'metadata.labels']],
    ['pods', 'status', ['spec', 'metadata.ownerReferences']],
    ['pods', 'ephemeralcontainers', ['status']],
    ['volumeattachments.storage.k8s.io', 'status', ['spec', 'metadata']],
    ['certificatesigningrequests.certificates.k8s.io', '', ['spec', 'status']],
    ['certificatesigningrequests.certificates.k8s.io', 'approval', ['spec', 'status.certificate']],
  ])('put back fields of %s in writes to "%s"', (name, subresource, fields) => {
    expect(resetFieldsOf(named(name), subresource)).toEqual(fields);
  });
});
