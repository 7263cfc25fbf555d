/** The smallest objects of kinds that need more than their schemas say. */
import { SPECIMENS } from '#api/specimens/index.ts';
import type { JsonObject } from '#machinery/schema/model.ts';
import type { Operation } from './surface.ts';

const POD_SPEC = { containers: [{ name: 'c', image: 'registry.example/app:1' }] };
const TEMPLATE = {
  selector: { matchLabels: { app: 'web' } },
  template: { metadata: { labels: { app: 'web' } }, spec: POD_SPEC },
};
const SUBJECT = { kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'jane' };
const RULE = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] };
const RULES = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }];

/** What kinds need beside their names. A kind that is missing here is made from the required fields of its schema. */
export const EXAMPLES: Record<string, JsonObject> = {
  ConfigMap: { data: { a: '1' }, binaryData: { b: 'AAAA' } },
  Endpoints: { subsets: [{ addresses: [{ ip: '192.0.2.7' }], ports: [{ port: 80 }] }] },
  'events.k8s.io/Event': {
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'example.com/c',
    reportingInstance: 'c-1',
    action: 'Tested',
    reason: 'Test',
    type: 'Normal',
    regarding: { kind: 'Pod', namespace: 'fuzz', name: 'p' },
  },
  Event: { involvedObject: { kind: 'Pod', namespace: 'fuzz', name: 'p' }, reason: 'Test', type: 'Normal' },
  Namespace: {},
  Node: { spec: { podCIDR: '10.1.0.0/24' } },
  Pod: { spec: POD_SPEC },
  Secret: { data: { a: 'AAAA' } },
  ServiceAccount: {},
  Service: { spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } },
  'apps/Deployment': { spec: { replicas: 1, ...TEMPLATE } },
  'apps/ReplicaSet': { spec: { replicas: 1, ...TEMPLATE } },
  'coordination.k8s.io/Lease': { spec: { holderIdentity: 'a', leaseDurationSeconds: 15 } },
  'discovery.k8s.io/EndpointSlice': {
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.7'], conditions: { ready: true } }],
    ports: [{ name: '', port: 80 }],
  },
  'rbac.authorization.k8s.io/ClusterRole': { rules: RULES },
  'rbac.authorization.k8s.io/Role': { rules: RULES },
  'rbac.authorization.k8s.io/ClusterRoleBinding': {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: [SUBJECT],
  },
  'rbac.authorization.k8s.io/RoleBinding': {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'view' },
    subjects: [SUBJECT],
  },
  'scheduling.k8s.io/PriorityClass': { value: 10 },
  PersistentVolumeClaim: {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  },
  PersistentVolume: {
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/data' } },
  },
  PodTemplate: { template: { metadata: { labels: { app: 'web' } }, spec: POD_SPEC } },
  ReplicationController: { spec: { selector: { app: 'web' }, template: TEMPLATE.template } },
  'apps/ControllerRevision': { data: { a: 1 }, revision: 1 },
  'apps/DaemonSet': { spec: TEMPLATE },
  'apps/StatefulSet': { spec: { serviceName: 'web', ...TEMPLATE } },
  'batch/Job': { spec: { template: { spec: { ...POD_SPEC, restartPolicy: 'Never' } } } },
  'batch/CronJob': {
    spec: {
      schedule: '* * * * *',
      jobTemplate: { spec: { template: { spec: { ...POD_SPEC, restartPolicy: 'Never' } } } },
    },
  },
  'apiregistration.k8s.io/APIService': {
    spec: {
      version: 'v1',
      groupPriorityMinimum: 100,
      versionPriority: 10,
      insecureSkipTLSVerify: true,
      service: { namespace: 'fuzz', name: 'api' },
    },
  },
  'networking.k8s.io/IPAddress': {
    spec: { parentRef: { resource: 'services', namespace: 'fuzz', name: 'web' } },
  },
  'networking.k8s.io/IngressClass': { spec: { controller: 'example.com/controller' } },
  'networking.k8s.io/Ingress': {
    spec: { defaultBackend: { service: { name: 'web', port: { number: 80 } } } },
  },
  'networking.k8s.io/ServiceCIDR': { spec: { cidrs: ['10.97.0.0/24'] } },
  'storage.k8s.io/VolumeAttachment': {
    spec: { attacher: 'csi.example.com', nodeName: 'node', source: { persistentVolumeName: 'pv' } },
  },
  'storage.k8s.io/VolumeAttributesClass': { driverName: 'csi.example.com', parameters: { a: 'b' } },
  'admissionregistration.k8s.io/MutatingAdmissionPolicy': {
    spec: {
      failurePolicy: 'Fail',
      reinvocationPolicy: 'Never',
      matchConstraints: { resourceRules: [RULE] },
      mutations: [
        {
          patchType: 'ApplyConfiguration',
          applyConfiguration: { expression: 'Object{metadata: Object.metadata{labels: {"a": "b"}}}' },
        },
      ],
    },
  },
  'admissionregistration.k8s.io/MutatingAdmissionPolicyBinding': { spec: { policyName: 'policy' } },
  'admissionregistration.k8s.io/ValidatingAdmissionPolicy': {
    spec: {
      failurePolicy: 'Fail',
      matchConstraints: { resourceRules: [RULE] },
      validations: [{ expression: 'true' }],
    },
  },
  'admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding': {
    spec: { policyName: 'policy', validationActions: ['Deny'] },
  },
  'flowcontrol.apiserver.k8s.io/FlowSchema': {
    spec: { priorityLevelConfiguration: { name: 'global-default' } },
  },
  'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration': {
    spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } },
  },
};

/** Objects of a kind that use all that users can write, without their metadata. */
export function specimensOf({ group, version, kind }: Operation['gvk']): JsonObject[] {
  const found = SPECIMENS.filter(
    (each) => each.kind.group === group && each.kind.version === version && each.kind.kind === kind,
  );
  return found.flatMap(({ objects }) =>
    Object.values(objects).map((object) => {
      const { metadata: _, ...parts } = structuredClone(object) as unknown as JsonObject;
      return parts;
    }),
  );
}

/** The example with a name of its own, as its kind wants names to be. */
export function named(kind: string, example: JsonObject, seed: number): JsonObject {
  switch (kind) {
    case 'CustomResourceDefinition':
      return definition(`fuzz${letters(seed)}`);
    case 'APIService': {
      const group = `fuzz-${seed}.example`;
      const spec = { ...(example['spec'] as JsonObject), group };
      return { ...example, spec, metadata: { name: `v1.${group}` } };
    }
    case 'IPAddress':
      return {
        ...example,
        metadata: { name: `10.${(seed >> 16) & 255}.${(seed >> 8) & 255}.${seed & 255}` },
      };
    default:
      return { ...example, metadata: { name: `base-${seed}` } };
  }
}

function letters(seed: number): string {
  return [...String(seed)].map((digit) => 'abcdefghij'[Number(digit)]).join('');
}

/** Its name must be made of the plural and the group. */
function definition(plural: string): JsonObject {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return {
    metadata: { name: `${plural}.fuzz.example` },
    spec: {
      group: 'fuzz.example',
      scope: 'Namespaced',
      names: { plural, singular: plural, kind: `K${plural}`, listKind: `K${plural}List` },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
}
