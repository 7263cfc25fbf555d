/**
 * Where Kubernetes' validation does not do what the field table suggests, and why. Keys are names of the table:
 * `io.k8s.api.core.v1.Container.image`.
 */
type Exceptions = ReadonlyMap<string, string>;

const CRD = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1';

/** Required in the schema, but an object without it is taken. */
export const MAY_BE_MISSING: Exceptions = new Map([
  ['io.k8s.api.core.v1.Taint.effect', 'refused as metadata.taints.effect'],
  ['io.k8s.api.core.v1.Taint.key', 'refused as metadata.taints.key'],
  [`${CRD}.CustomResourceDefinitionVersion.served`, 'a missing flag is false'],
  ['io.k8s.api.apps.v1.ControllerRevision.revision', 'a missing number is revision 0'],
  ['io.k8s.api.batch.v1.PodFailurePolicy.rules', 'a policy without rules is one that never applies'],
  ['io.k8s.api.core.v1.GCEPersistentDiskVolumeSource.pdName', 'refused as spec.persistentDisk.pdName'],
  ['io.k8s.api.core.v1.Event.involvedObject', 'an event of namespace default may be about nothing'],
  ['io.k8s.api.core.v1.HTTPHeader.value', 'a header may be empty'],
  ['io.k8s.api.core.v1.ISCSIPersistentVolumeSource.lun', 'a missing number is 0, the first unit'],
  ['io.k8s.api.core.v1.LimitRangeSpec.limits', 'no limits are sound limits'],
  ['io.k8s.api.core.v1.PreferredSchedulingTerm.preference', 'an empty term matches nothing and harms nobody'],
  ['io.k8s.api.core.v1.ScaleIOPersistentVolumeSource.secretRef', 'not looked at'],
  ['io.k8s.api.core.v1.SleepAction.seconds', 'a missing number is no sleep'],
  ['io.k8s.api.core.v1.Sysctl.value', 'a parameter may be empty'],
  ['io.k8s.api.storage.v1.CSIDriver.spec', 'a driver that says nothing has the defaults'],
  ['io.k8s.api.storage.v1.CSINode.spec', 'a node may have no drivers'],
  ['io.k8s.api.storage.v1.CSINodeSpec.drivers', 'a node may have no drivers'],
  ['io.k8s.api.storage.v1.TokenRequest.audience', 'a missing audience is that of the server'],
  ['io.k8s.api.discovery.v1.ForZone.name', 'a zone is a label value, and that may be empty'],
]);

/** Strings with known values, where Kubernetes takes others too. */
export const OPEN_ENUMS: Exceptions = new Map([
  ['io.k8s.api.core.v1.Taint.effect', 'refused as metadata.taints.effect'],
]);

/** Fields that no sound object of ours has. */
export const NOT_IN_SPECIMENS: readonly (readonly [RegExp, string])[] = [
  [/events\.v1\.Event\.deprecated/, 'must be unset in new events'],
  [/core\.v1\.\w+VolumeSource\./, 'sources of volumes have specimens of their own, where we have them'],
  [/core\.v1\.Volume\./, 'most sources are for drivers that nobody here has'],
  [/core\.v1\.(VolumeProjection|ClusterTrustBundleProjection|PodCertificateProjection)\./, 'not served'],
  [/[wW]indows/, 'nodes run Linux'],
  [/core\.v1\.EphemeralContainer\.|PodSpec\.ephemeralContainers/, 'added by their subresource only'],
  [
    /core\.v1\.(PodSpec\.resourceClaims|PodResourceClaim\.|ResourceClaim\.|ResourceRequirements\.claims)/,
    'devices are not shared out',
  ],
  [/core\.v1\.(PodSpec\.schedulingGroup|PodSchedulingGroup\.)/, 'not in use anywhere yet'],
  [/core\.v1\.(Container\.restartPolicyRules|ContainerRestartRule)/, 'not acted on'],
  [/core\.v1\.(EnvVarSource\.fileKeyRef|FileKeySelector\.)/, 'not acted on'],
  [
    /core\.v1\.(Container\.volumeDevices|VolumeDevice\.|Lifecycle\.stopSignal|PodSpec\.hostnameOverride)/,
    'not acted on',
  ],
  [
    /core\.v1\.(NodeSpec\.configSource|NodeConfigSource\.|ConfigMapNodeConfigSource\.)/,
    'nodes are not configured by objects, in Kubernetes neither',
  ],
  [/core\.v1\.PodSecurityContext\.seLinuxChangePolicy/, 'not acted on'],
  [
    /core\.v1\.(PersistentVolumeClaim(\.|Status|Condition|Template)|ModifyVolumeStatus)/,
    'part of a template here',
  ],
  [/CustomResourceDefinitionSpec\.preserveUnknownFields/, 'may only be false, which reads as missing'],
  [
    /JSONSchemaProps\.(id|\$schema|\$ref|uniqueItems|patternProperties|dependencies|additionalItems|definitions)$/,
    'not supported in definitions',
  ],
];

/** Parts that are looked at when they come into use: a kind and a path. */
export const NOT_YET_JUDGED: readonly string[] = [
  // Claims are judged when they are made of the template.
  'StatefulSet spec.volumeClaimTemplates',
];

/** How the field that a fault is about ends where Kubernetes names it in the words of its internal types, or for what holds it. */
export const NAMED_OTHERWISE: Exceptions = new Map([
  [`${CRD}.CustomResourceDefinitionVersion.storage`, 'spec.versions'],
  [`${CRD}.CustomResourceColumnDefinition.jsonPath`, '.JSONPath'],
  [`${CRD}.WebhookConversion.conversionReviewVersions`, 'spec.conversion.conversionReviewVersions'],
  ['io.k8s.api.admissionregistration.v1.ServiceReference.name', '.clientConfig.service.namespace'],
  ['io.k8s.api.admissionregistration.v1.ServiceReference.namespace', '.clientConfig.service.name'],
  [`${CRD}.ServiceReference.name`, 'spec.conversion.webhookClientConfig.service.namespace'],
  [`${CRD}.ServiceReference.namespace`, 'spec.conversion.webhookClientConfig.service.name'],
  ['io.k8s.api.core.v1.DownwardAPIVolumeFile.path', '.downwardAPI.path'],
  ['io.k8s.api.core.v1.ServiceAccountTokenProjection.path', '.projected.path'],
]);
