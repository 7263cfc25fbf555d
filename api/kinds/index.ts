/** The kinds the server ships with. Adding one is a file in this folder and a line in the list. */
import type { Kind } from '../kind.ts';
import { APIServiceKind } from './api-service.ts';
import { BindingKind } from './binding.ts';
import { CertificateSigningRequestKind } from './certificate-signing-request.ts';
import { ClusterRoleKind } from './cluster-role.ts';
import { ClusterRoleBindingKind } from './cluster-role-binding.ts';
import { ComponentStatusKind } from './component-status.ts';
import { ConfigMapKind } from './config-map.ts';
import { ControllerRevisionKind } from './controller-revision.ts';
import { CronJobKind } from './cron-job.ts';
import { CSIDriverKind } from './csi-driver.ts';
import { CSINodeKind } from './csi-node.ts';
import { CSIStorageCapacityKind } from './csi-storage-capacity.ts';
import { CustomResourceDefinitionKind } from './custom-resource-definition.ts';
import { DaemonSetKind } from './daemon-set.ts';
import { DeploymentKind } from './deployment.ts';
import { EndpointSliceKind } from './endpoint-slice.ts';
import { EndpointsKind } from './endpoints.ts';
import { EventKind } from './event.ts';
import { EventsEventKind } from './events-event.ts';
import { FlowSchemaKind } from './flow-schema.ts';
import { HorizontalPodAutoscalerKind } from './horizontal-pod-autoscaler.ts';
import { HorizontalPodAutoscalerV1Kind } from './horizontal-pod-autoscaler-v1.ts';
import { IngressKind } from './ingress.ts';
import { IngressClassKind } from './ingress-class.ts';
import { IPAddressKind } from './ip-address.ts';
import { JobKind } from './job.ts';
import { LeaseKind } from './lease.ts';
import { LimitRangeKind } from './limit-range.ts';
import { NodeMetricsKind, PodMetricsKind } from './metrics.ts';
import { MutatingAdmissionPolicyKind } from './mutating-admission-policy.ts';
import { MutatingAdmissionPolicyBindingKind } from './mutating-admission-policy-binding.ts';
import { MutatingWebhookConfigurationKind } from './mutating-webhook-configuration.ts';
import { NamespaceKind } from './namespace.ts';
import { NetworkPolicyKind } from './network-policy.ts';
import { NodeKind } from './node.ts';
import { PersistentVolumeKind } from './persistent-volume.ts';
import { PersistentVolumeClaimKind } from './persistent-volume-claim.ts';
import { PodKind } from './pod.ts';
import { PodDisruptionBudgetKind } from './pod-disruption-budget.ts';
import { PodTemplateKind } from './pod-template.ts';
import { PriorityClassKind } from './priority-class.ts';
import { PriorityLevelConfigurationKind } from './priority-level-configuration.ts';
import { ReplicaSetKind } from './replica-set.ts';
import { ReplicationControllerKind } from './replication-controller.ts';
import { ResourceQuotaKind } from './resource-quota.ts';
import {
  LocalSubjectAccessReviewKind,
  SelfSubjectAccessReviewKind,
  SelfSubjectReviewKind,
  SelfSubjectRulesReviewKind,
  SubjectAccessReviewKind,
  TokenReviewKind,
} from './reviews.ts';
import { RoleKind } from './role.ts';
import { RoleBindingKind } from './role-binding.ts';
import { RuntimeClassKind } from './runtime-class.ts';
import { SecretKind } from './secret.ts';
import { ServiceKind } from './service.ts';
import { ServiceAccountKind } from './service-account.ts';
import { ServiceCIDRKind } from './service-cidr.ts';
import { StatefulSetKind } from './stateful-set.ts';
import { StorageClassKind } from './storage-class.ts';
import { ValidatingAdmissionPolicyKind } from './validating-admission-policy.ts';
import { ValidatingAdmissionPolicyBindingKind } from './validating-admission-policy-binding.ts';
import { ValidatingWebhookConfigurationKind } from './validating-webhook-configuration.ts';
import { VolumeAttachmentKind } from './volume-attachment.ts';
import { VolumeAttributesClassKind } from './volume-attributes-class.ts';

/**
 * In order of discovery: core first, then the groups as kubectl should prefer them. A kind that nothing acts on yet says
 * so (`inert`). Each is a Kind of its own type; the engine handles them all as kinds of ApiObject.
 */
export const KINDS: readonly Kind[] = [
  BindingKind,
  ComponentStatusKind,
  ConfigMapKind,
  EndpointsKind,
  EventKind,
  LimitRangeKind,
  NamespaceKind,
  NodeKind,
  PersistentVolumeClaimKind,
  PersistentVolumeKind,
  PodKind,
  PodTemplateKind,
  ReplicationControllerKind,
  ResourceQuotaKind,
  SecretKind,
  ServiceAccountKind,
  ServiceKind,
  APIServiceKind,
  ControllerRevisionKind,
  DaemonSetKind,
  DeploymentKind,
  ReplicaSetKind,
  StatefulSetKind,
  EventsEventKind,
  SelfSubjectReviewKind,
  TokenReviewKind,
  LocalSubjectAccessReviewKind,
  SelfSubjectAccessReviewKind,
  SelfSubjectRulesReviewKind,
  SubjectAccessReviewKind,
  HorizontalPodAutoscalerKind,
  HorizontalPodAutoscalerV1Kind,
  CronJobKind,
  JobKind,
  CertificateSigningRequestKind,
  LeaseKind,
  RuntimeClassKind,
  EndpointSliceKind,
  IPAddressKind,
  IngressClassKind,
  IngressKind,
  NetworkPolicyKind,
  ServiceCIDRKind,
  PodDisruptionBudgetKind,
  ClusterRoleBindingKind,
  ClusterRoleKind,
  RoleBindingKind,
  RoleKind,
  CSIDriverKind,
  CSINodeKind,
  CSIStorageCapacityKind,
  StorageClassKind,
  VolumeAttachmentKind,
  VolumeAttributesClassKind,
  MutatingAdmissionPolicyKind,
  MutatingAdmissionPolicyBindingKind,
  MutatingWebhookConfigurationKind,
  ValidatingAdmissionPolicyKind,
  ValidatingAdmissionPolicyBindingKind,
  ValidatingWebhookConfigurationKind,
  CustomResourceDefinitionKind,
  PriorityClassKind,
  FlowSchemaKind,
  PriorityLevelConfigurationKind,
  NodeMetricsKind,
  PodMetricsKind,
] as readonly Kind[];
