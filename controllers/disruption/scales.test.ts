import { describe, expect, it } from 'vitest';
import { type Kind, resourceName } from '#api/kind.ts';
import { type ApiObject, keyOf, type OwnerReference } from '#api/objects.ts';
import { deployment, replicaSet } from '../framework/worlds.ts';
import { scalesIn } from './scales.ts';

const owner = (apiVersion: string, kind: string, name: string, uid = `uid-${name}`): OwnerReference => ({
  ...{ apiVersion, kind, name, uid, controller: true },
});

const owned = <T extends ApiObject>(object: T, by: OwnerReference): T => ({
  ...object,
  metadata: { ...object.metadata, ownerReferences: [by] },
});

const scaled = (apiVersion: string, kind: string, name: string, replicas?: number) => ({
  ...{ apiVersion, kind, metadata: { name, namespace: 'default', uid: `uid-${name}` } },
  spec: { replicas },
});

const OBJECTS: Record<string, ApiObject[]> = {
  'deployments.apps': [deployment('web', 5)],
  'replicasets.apps': [
    replicaSet('alone', 3),
    owned(replicaSet('web-1', 2), owner('apps/v1', 'Deployment', 'web')),
    owned(replicaSet('orphan', 4), owner('apps/v1', 'Deployment', 'gone')),
    owned(replicaSet('rollout', 6), owner('argoproj.io/v1alpha1', 'Rollout', 'web')),
  ],
  'statefulsets.apps': [scaled('apps/v1', 'StatefulSet', 'db', 7)],
  replicationcontrollers: [scaled('v1', 'ReplicationController', 'rc', 8), scaled('v1', 'X', 'bare')],
};

const view = {
  get: (kind: Kind<never>, key: string) => OBJECTS[resourceName(kind)]?.find((one) => keyOf(one) === key),
} as unknown as Parameters<typeof scalesIn>[1];

const scaleOf = scalesIn('default', view);

describe('the scale of the owner of a pod', () => {
  it.each<[string, OwnerReference, { uid: string; replicas: number } | undefined]>([
    ['a ReplicaSet', owner('apps/v1', 'ReplicaSet', 'alone'), { uid: 'uid-alone', replicas: 3 }],
    ['a Deployment behind it', owner('apps/v1', 'ReplicaSet', 'web-1'), { uid: 'uid-web', replicas: 5 }],
    [
      'the ReplicaSet when the Deployment is gone',
      owner('apps/v1', 'ReplicaSet', 'orphan'),
      { uid: 'uid-orphan', replicas: 4 },
    ],
    [
      'the ReplicaSet of something else',
      owner('apps/v1', 'ReplicaSet', 'rollout'),
      { uid: 'uid-rollout', replicas: 6 },
    ],
    ['a Deployment itself', owner('apps/v1', 'Deployment', 'web'), { uid: 'uid-web', replicas: 5 }],
    ['a StatefulSet', owner('apps/v1', 'StatefulSet', 'db'), { uid: 'uid-db', replicas: 7 }],
    ['a ReplicationController', owner('v1', 'ReplicationController', 'rc'), { uid: 'uid-rc', replicas: 8 }],
    ['one by default', owner('v1', 'ReplicationController', 'bare'), { uid: 'uid-bare', replicas: 1 }],
    ['nothing that is gone', owner('apps/v1', 'ReplicaSet', 'gone'), undefined],
    ['nothing with the name of one before', owner('apps/v1', 'ReplicaSet', 'alone', 'old'), undefined],
  ])('is that of %s', (_words, reference, scale) => {
    expect(scaleOf(reference)).toEqual(scale);
  });

  it.each([
    ['batch/v1', 'Job', 'jobs.batch does not implement the scale subresource'],
    ['apps/v1', 'DaemonSet', 'daemonsets.apps does not implement the scale subresource'],
    ['v1', 'Node', 'nodes does not implement the scale subresource'],
    ['example.com/v1', 'Thing', 'no matches for kind "Thing" in version "example.com/v1"'],
    ['apps/v1beta1', 'StatefulSet', 'no matches for kind "StatefulSet" in version "apps/v1beta1"'],
  ])('is not there for %s %s', (apiVersion, kind, message) => {
    expect(() => scaleOf(owner(apiVersion, kind, 'x'))).toThrow(message);
  });
});
