/**
 * How writes to a kind behave beyond its fields: one row for each built-in resource, so that the table can be laid beside
 * Kubernetes 1.33. Source: pkg/registry, the strategies (AllowCreateOnUpdate, AllowUnconditionalUpdate, GetResetFields,
 * PrepareForCreate and PrepareForUpdate, DefaultGarbageCollectionPolicy) and storages (ReturnDeletedObject) of each kind.
 */
import { type Kind, resourceName } from '../kind.ts';

export interface WriteRules {
  /** A PUT of an object that is missing makes it. */
  createsOnUpdate: boolean;
  /** A PUT must say which resourceVersion it replaces. */
  needsVersion: boolean;
  /**
   * `counted`: metadata.generation begins with 1 and grows with what the user desires; `late`: it only grows; `fixed`: it
   * stays 1.
   */
  generation: 'none' | 'counted' | 'late' | 'fixed';
  /** Parts of metadata whose changes count too: everything but metadata and status counts anyway. */
  countedMetadata: readonly ('annotations' | 'labels')[];
  /**
   * Fields that a write to the object ('') or a subresource puts back and that its writer never owns: `status`,
   * `metadata.labels`, `metadata` for all that people can set in it.
   */
  resets: Readonly<Record<string, readonly string[]>>;
  /** What a DELETE that is done answers: the object, not a Status. */
  returnsDeleted: boolean;
  /** What becomes of dependents when a DELETE does not say; `ignored`: it cannot say. */
  dependents: 'deleted' | 'orphaned' | 'ignored';
}

const COUNTED = { generation: 'counted' } as const;
const PUT_CREATES = { createsOnUpdate: true } as const;
const VERSIONED = { needsVersion: true } as const;
const RETURNED = { returnsDeleted: true } as const;
/** Writers of the status change nothing of the metadata. */
const STATUS_ONLY = { resets: { '': ['status'], status: ['spec', 'metadata'] } } as const;

const TABLE: Readonly<Record<string, Partial<WriteRules>>> = {
  configmaps: {},
  endpoints: PUT_CREATES,
  events: { ...PUT_CREATES, dependents: 'ignored' },
  limitranges: PUT_CREATES,
  namespaces: {},
  nodes: {},
  persistentvolumeclaims: RETURNED,
  persistentvolumes: RETURNED,
  pods: {
    ...COUNTED,
    ...RETURNED,
    resets: { '': ['status'], status: ['spec', 'metadata.ownerReferences'] },
  },
  podtemplates: { ...COUNTED, ...RETURNED },
  replicationcontrollers: { ...COUNTED, dependents: 'orphaned' },
  resourcequotas: RETURNED,
  secrets: {},
  serviceaccounts: RETURNED,
  services: { ...PUT_CREATES, ...RETURNED },
  'apiservices.apiregistration.k8s.io': { ...VERSIONED, ...STATUS_ONLY },
  'controllerrevisions.apps': {},
  'daemonsets.apps': COUNTED,
  'deployments.apps': {
    ...COUNTED,
    countedMetadata: ['annotations'],
    resets: { '': ['status'], status: ['spec', 'metadata.labels'] },
  },
  'replicasets.apps': COUNTED,
  'statefulsets.apps': COUNTED,
  'events.events.k8s.io': { ...PUT_CREATES, dependents: 'ignored' },
  'horizontalpodautoscalers.autoscaling': {},
  'cronjobs.batch': COUNTED,
  'jobs.batch': { ...COUNTED, dependents: 'orphaned' },
  'certificatesigningrequests.certificates.k8s.io': {
    resets: {
      '': ['spec', 'status'],
      status: ['spec', 'status.conditions'],
      approval: ['spec', 'status.certificate'],
    },
  },
  'leases.coordination.k8s.io': { ...PUT_CREATES, ...VERSIONED },
  'endpointslices.discovery.k8s.io': { ...COUNTED, countedMetadata: ['labels'] },
  'flowschemas.flowcontrol.apiserver.k8s.io': { ...COUNTED, ...STATUS_ONLY },
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io': { ...COUNTED, ...STATUS_ONLY },
  'ingressclasses.networking.k8s.io': COUNTED,
  'ingresses.networking.k8s.io': COUNTED,
  'ipaddresses.networking.k8s.io': {},
  'networkpolicies.networking.k8s.io': COUNTED,
  'servicecidrs.networking.k8s.io': STATUS_ONLY,
  'runtimeclasses.node.k8s.io': { ...PUT_CREATES, ...VERSIONED },
  'poddisruptionbudgets.policy': { ...COUNTED, ...VERSIONED },
  'clusterrolebindings.rbac.authorization.k8s.io': PUT_CREATES,
  'clusterroles.rbac.authorization.k8s.io': PUT_CREATES,
  'rolebindings.rbac.authorization.k8s.io': PUT_CREATES,
  'roles.rbac.authorization.k8s.io': PUT_CREATES,
  'priorityclasses.scheduling.k8s.io': { generation: 'fixed' },
  'csidrivers.storage.k8s.io': { ...VERSIONED, ...RETURNED, generation: 'late' },
  'csinodes.storage.k8s.io': { ...VERSIONED, ...RETURNED },
  'csistoragecapacities.storage.k8s.io': VERSIONED,
  'storageclasses.storage.k8s.io': RETURNED,
  'volumeattachments.storage.k8s.io': { ...VERSIONED, ...RETURNED, ...STATUS_ONLY },
  'volumeattributesclasses.storage.k8s.io': RETURNED,
  'mutatingadmissionpolicies.admissionregistration.k8s.io': { ...COUNTED, ...VERSIONED },
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io': { ...COUNTED, ...VERSIONED },
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': { ...COUNTED, ...VERSIONED },
  'validatingadmissionpolicies.admissionregistration.k8s.io': { ...COUNTED, ...VERSIONED, ...STATUS_ONLY },
  'validatingadmissionpolicybindings.admissionregistration.k8s.io': { ...COUNTED, ...VERSIONED },
  'validatingwebhookconfigurations.admissionregistration.k8s.io': { ...COUNTED, ...VERSIONED },
  'customresourcedefinitions.apiextensions.k8s.io': { ...COUNTED, ...VERSIONED, ...STATUS_ONLY },
};

const PLAIN: WriteRules = {
  createsOnUpdate: false,
  needsVersion: false,
  generation: 'none',
  countedMetadata: [],
  resets: {},
  returnsDeleted: false,
  dependents: 'deleted',
};

/** Kinds that users define. */
const CUSTOM: WriteRules = { ...PLAIN, needsVersion: true, generation: 'counted' };

const RULES = new Map(Object.entries(TABLE).map(([name, row]) => [name, { ...PLAIN, ...row }]));

/** Whether the kind has a row of its own: all but those that users define. */
export function hasWriteRules(kind: Kind): boolean {
  return RULES.has(resourceName(kind));
}

export function writeRulesOf(kind: Kind): WriteRules {
  return RULES.get(resourceName(kind)) ?? CUSTOM;
}

/** Which fields a write to the object ('') or a subresource of it does not reach. */
export function resetFieldsOf(kind: Kind, subresource: string): readonly string[] {
  const { resets } = writeRulesOf(kind);
  const own = resets[subresource] ?? (subresource === 'status' ? undefined : resets['']);
  if (own) return own;
  if (!kind.subresources?.status) return [];
  return subresource === 'status' ? ['spec'] : ['status'];
}
