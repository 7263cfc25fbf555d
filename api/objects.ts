/**
 * The types of Kubernetes objects as they are on the wire and in the store: the models of @kubernetes/client-node with
 * timestamps as RFC 3339 strings. Types only: importing that package at run time costs half a second and 130 MB.
 */
import type * as k8s from '@kubernetes/client-node';

/** A model as JSON: Date becomes string, and `_default` is called `default` again, as words of the language are. */
export type Wire<T> = T extends Date
  ? string
  : T extends (infer U)[]
    ? Wire<U>[]
    : T extends object
      ? { [K in keyof T as K extends `_${infer Name}` ? Name : K]: Wire<T[K]> }
      : T;

/** metav1.ObjectMeta of an object that has passed the server. */
export interface ObjectMeta {
  name: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: unknown[];
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** Any object of the API. */
export interface ApiObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/** Never present at run time: it only tells types of kinds apart, whose fields are all optional. */
declare const kindOf: unique symbol;

/** A model with the parts that every object has. `Name` keeps a Kind<Secret> from passing for a Kind<Pod>. */
export type Stored<T, Name extends string> = Omit<Wire<T>, 'apiVersion' | 'kind' | 'metadata'> &
  ApiObject & { readonly [kindOf]?: Name };

export type Pod = Stored<k8s.V1Pod, 'Pod'>;
export type PodSpec = Wire<k8s.V1PodSpec>;
export type PodStatus = Wire<k8s.V1PodStatus>;
export type PodTemplateSpec = Wire<k8s.V1PodTemplateSpec>;
export type PodCondition = Wire<k8s.V1PodCondition>;
export type Container = Wire<k8s.V1Container>;
export type ContainerStatus = Wire<k8s.V1ContainerStatus>;
export type ContainerState = Wire<k8s.V1ContainerState>;
export type Probe = Wire<k8s.V1Probe>;
export type Volume = Wire<k8s.V1Volume>;
export type EnvVar = Wire<k8s.V1EnvVar>;
export type Toleration = Wire<k8s.V1Toleration>;
export type Taint = Wire<k8s.V1Taint>;
export type ResourceRequirements = Wire<k8s.V1ResourceRequirements>;
export type LabelSelector = Wire<k8s.V1LabelSelector>;
export type Node = Stored<k8s.V1Node, 'Node'>;
export type Namespace = Stored<k8s.V1Namespace, 'Namespace'>;
export type Service = Stored<k8s.V1Service, 'Service'>;
export type ServicePort = Wire<k8s.V1ServicePort>;
export type Endpoints = Stored<k8s.V1Endpoints, 'Endpoints'>;
export type EndpointSlice = Stored<k8s.V1EndpointSlice, 'EndpointSlice'>;
export type ConfigMap = Stored<k8s.V1ConfigMap, 'ConfigMap'>;
export type Secret = Stored<k8s.V1Secret, 'Secret'>;
export type ServiceAccount = Stored<k8s.V1ServiceAccount, 'ServiceAccount'>;
export type Event = Stored<k8s.CoreV1Event, 'Event'>;
/** The view of an event in group events.k8s.io. */
export type EventsEvent = Stored<k8s.EventsV1Event, 'Event'>;
export type Lease = Stored<k8s.V1Lease, 'Lease'>;
export type Deployment = Stored<k8s.V1Deployment, 'Deployment'>;
export type ReplicaSet = Stored<k8s.V1ReplicaSet, 'ReplicaSet'>;
export type StatefulSet = Stored<k8s.V1StatefulSet, 'StatefulSet'>;
export type DaemonSet = Stored<k8s.V1DaemonSet, 'DaemonSet'>;
export type ControllerRevision = Stored<k8s.V1ControllerRevision, 'ControllerRevision'>;
export type Job = Stored<k8s.V1Job, 'Job'>;
export type CronJob = Stored<k8s.V1CronJob, 'CronJob'>;
export type Role = Stored<k8s.V1Role, 'Role'>;
export type RoleBinding = Stored<k8s.V1RoleBinding, 'RoleBinding'>;
export type ClusterRole = Stored<k8s.V1ClusterRole, 'ClusterRole'>;
export type ClusterRoleBinding = Stored<k8s.V1ClusterRoleBinding, 'ClusterRoleBinding'>;
export type PolicyRule = Wire<k8s.V1PolicyRule>;
export type RbacSubject = Wire<k8s.RbacV1Subject>;
export type PriorityClass = Stored<k8s.V1PriorityClass, 'PriorityClass'>;
export type RuntimeClass = Stored<k8s.V1RuntimeClass, 'RuntimeClass'>;
export type Scale = Stored<k8s.V1Scale, 'Scale'>;
export type Binding = Stored<k8s.V1Binding, 'Binding'>;
export type TokenRequest = Stored<k8s.AuthenticationV1TokenRequest, 'TokenRequest'>;
export type TokenReview = Stored<k8s.V1TokenReview, 'TokenReview'>;
export type SelfSubjectReview = Stored<k8s.V1SelfSubjectReview, 'SelfSubjectReview'>;
export type SubjectAccessReview = Stored<k8s.V1SubjectAccessReview, 'SubjectAccessReview'>;
export type SelfSubjectAccessReview = Stored<k8s.V1SelfSubjectAccessReview, 'SelfSubjectAccessReview'>;
export type LocalSubjectAccessReview = Stored<k8s.V1LocalSubjectAccessReview, 'LocalSubjectAccessReview'>;
export type SelfSubjectRulesReview = Stored<k8s.V1SelfSubjectRulesReview, 'SelfSubjectRulesReview'>;
export type CustomResourceDefinition = Stored<k8s.V1CustomResourceDefinition, 'CustomResourceDefinition'>;
export type CertificateSigningRequest = Stored<k8s.V1CertificateSigningRequest, 'CertificateSigningRequest'>;
export type PersistentVolume = Stored<k8s.V1PersistentVolume, 'PersistentVolume'>;
export type PersistentVolumeClaim = Stored<k8s.V1PersistentVolumeClaim, 'PersistentVolumeClaim'>;
export type PodTemplate = Stored<k8s.V1PodTemplate, 'PodTemplate'>;
export type ReplicationController = Stored<k8s.V1ReplicationController, 'ReplicationController'>;
export type ResourceQuota = Stored<k8s.V1ResourceQuota, 'ResourceQuota'>;
export type LimitRange = Stored<k8s.V1LimitRange, 'LimitRange'>;
export type ComponentStatus = Stored<k8s.V1ComponentStatus, 'ComponentStatus'>;
export type HorizontalPodAutoscaler = Stored<k8s.V2HorizontalPodAutoscaler, 'HorizontalPodAutoscaler'>;
/** The view of an autoscaler in autoscaling/v1. */
export type HorizontalPodAutoscalerV1 = Stored<k8s.V1HorizontalPodAutoscaler, 'HorizontalPodAutoscaler'>;
export type PodDisruptionBudget = Stored<k8s.V1PodDisruptionBudget, 'PodDisruptionBudget'>;
export type Ingress = Stored<k8s.V1Ingress, 'Ingress'>;
export type IngressClass = Stored<k8s.V1IngressClass, 'IngressClass'>;
export type NetworkPolicy = Stored<k8s.V1NetworkPolicy, 'NetworkPolicy'>;
export type IPAddress = Stored<k8s.V1IPAddress, 'IPAddress'>;
export type ServiceCIDR = Stored<k8s.V1ServiceCIDR, 'ServiceCIDR'>;
export type StorageClass = Stored<k8s.V1StorageClass, 'StorageClass'>;
export type CSIDriver = Stored<k8s.V1CSIDriver, 'CSIDriver'>;
export type CSINode = Stored<k8s.V1CSINode, 'CSINode'>;
export type CSIStorageCapacity = Stored<k8s.V1CSIStorageCapacity, 'CSIStorageCapacity'>;
export type VolumeAttachment = Stored<k8s.V1VolumeAttachment, 'VolumeAttachment'>;
export type VolumeAttributesClass = Stored<k8s.V1VolumeAttributesClass, 'VolumeAttributesClass'>;
export type ValidatingWebhookConfiguration = Stored<
  k8s.V1ValidatingWebhookConfiguration,
  'ValidatingWebhookConfiguration'
>;
export type MutatingWebhookConfiguration = Stored<
  k8s.V1MutatingWebhookConfiguration,
  'MutatingWebhookConfiguration'
>;
export type ValidatingAdmissionPolicy = Stored<k8s.V1ValidatingAdmissionPolicy, 'ValidatingAdmissionPolicy'>;
export type ValidatingAdmissionPolicyBinding = Stored<
  k8s.V1ValidatingAdmissionPolicyBinding,
  'ValidatingAdmissionPolicyBinding'
>;
export type MutatingAdmissionPolicy = Stored<k8s.V1MutatingAdmissionPolicy, 'MutatingAdmissionPolicy'>;
export type MutatingAdmissionPolicyBinding = Stored<
  k8s.V1MutatingAdmissionPolicyBinding,
  'MutatingAdmissionPolicyBinding'
>;
export type APIService = Stored<k8s.V1APIService, 'APIService'>;
/** metrics.k8s.io, of which the client package has no models of this form. */
export interface NodeMetrics extends ApiObject {
  timestamp: string;
  window: string;
  usage: Record<string, string>;
}
export interface PodMetrics extends ApiObject {
  timestamp: string;
  window: string;
  containers: { name: string; usage: Record<string, string> }[];
}
export type FlowSchema = Stored<k8s.V1FlowSchema, 'FlowSchema'>;
export type PriorityLevelConfiguration = Stored<
  k8s.V1PriorityLevelConfiguration,
  'PriorityLevelConfiguration'
>;

/** `namespace/name`, or `name` for a cluster-scoped object: the key of informers and work queues. */
export type ObjectKey = string;

export function keyOf(object: { metadata: Pick<ObjectMeta, 'name' | 'namespace'> }): ObjectKey {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}
