import { beforeEach, describe, expect, test } from 'vitest';
import type { Kind } from '#api/kind.ts';
import { DeploymentKind } from '#api/kinds/deployment.ts';
import { NamespaceKind } from '#api/kinds/namespace.ts';
import { PodKind } from '#api/kinds/pod.ts';
import type { ApiObject, Namespace, Pod, PodSpec } from '#api/objects.ts';
import type { AdmissionRequest } from '../../contract.ts';
import { FakeEngine } from '../../fake/engine.ts';
import { violations } from './checks.ts';
import { podSecurity } from './plugin.ts';

const GOOD: PodSpec = {
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [
    {
      name: 'c',
      image: 'i',
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    },
  ],
  volumes: [{ name: 'v', emptyDir: {} }],
};
const checked = (spec: PodSpec) => ({ metadata: {}, spec });
const one = (container: Partial<PodSpec['containers'][number]>, more: Partial<PodSpec> = {}): PodSpec => ({
  containers: [{ name: 'c', image: 'i', ...container }],
  ...more,
});

describe('the standards', () => {
  test('a careful pod keeps all of them, an ordinary one the baseline', () => {
    expect(violations('restricted', checked(GOOD))).toEqual([]);
    expect(violations('baseline', checked(one({})))).toEqual([]);
    expect(violations('privileged', checked(one({ securityContext: { privileged: true } })))).toEqual([]);
  });

  test.each([
    ['host namespaces (hostNetwork=true)', one({}, { hostNetwork: true })],
    [
      'privileged (container "c" must not set securityContext.privileged=true)',
      one({ securityContext: { privileged: true } }),
    ],
    [
      'non-default capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add)',
      one({ securityContext: { capabilities: { add: ['NET_ADMIN', 'CHOWN'] } } }),
    ],
    ['hostPath volumes (volume "v")', one({}, { volumes: [{ name: 'v', hostPath: { path: '/' } }] })],
    ['hostPort (container "c" uses hostPort 80)', one({ ports: [{ containerPort: 80, hostPort: 80 }] })],
    [
      'forbidden sysctls (kernel.msgmax)',
      one({}, { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }),
    ],
    [
      'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
      one({}, { securityContext: { seccompProfile: { type: 'Unconfined' } } }),
    ],
  ])('baseline: %s', (violation, spec) => {
    expect(violations('baseline', checked(spec))).toEqual([violation]);
  });

  test('restricted names all that is missing, in the words of Kubernetes', () => {
    expect(violations('restricted', checked(one({})))).toEqual([
      'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
      'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
      'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
      'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"])',
    ]);
  });

  test('init and ephemeral containers are looked at too', () => {
    const spec: PodSpec = {
      ...GOOD,
      initContainers: [{ name: 'i', image: 'i', securityContext: { privileged: true } }],
    };
    expect(violations('baseline', checked(spec))[0]).toContain('container "i"');
  });
});

describe('the plugin', () => {
  let objects: FakeEngine;
  let warnings: string[];
  beforeEach(() => {
    warnings = [];
    objects = new FakeEngine();
  });
  const labelled = (labels: Record<string, string>) => {
    const namespace: Namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n', labels } };
    objects.seed(NamespaceKind, namespace);
    return namespace;
  };
  const pod = (spec: PodSpec): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n' },
    spec,
  });
  const write = <T extends ApiObject>(kind: Kind<T>, object: T, old?: T, subresource = '') => {
    const { name, namespace = '' } = object.metadata;
    const operation = old ? 'UPDATE' : 'CREATE';
    const request = { operation, kind, subresource, name, namespace, object, old, context: { warnings } };
    return () => podSecurity.validate!(request as unknown as AdmissionRequest, objects);
  };

  test('refuses a pod that breaks the enforced standard, and warns below it', () => {
    labelled({
      'pod-security.kubernetes.io/enforce': 'baseline',
      'pod-security.kubernetes.io/warn': 'restricted',
    });
    expect(write(PodKind, pod(one({ securityContext: { privileged: true } })))).toThrow(
      'pods "p" is forbidden: violates PodSecurity "baseline:latest": privileged (container "c" must not set securityContext.privileged=true)',
    );
    expect(write(PodKind, pod(one({})))).not.toThrow();
    expect(warnings[0]).toMatch(
      /^would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false/,
    );
  });

  test('warns about templates, and leaves what exists manageable', () => {
    labelled({
      'pod-security.kubernetes.io/enforce': 'restricted',
      'pod-security.kubernetes.io/warn': 'baseline',
    });
    const bad = one({ securityContext: { privileged: true } });
    const template = { metadata: {}, spec: bad };
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd', namespace: 'n' },
      spec: { selector: {}, template },
    };
    expect(write(DeploymentKind, deployment)).not.toThrow();
    expect(warnings).toHaveLength(1);
    expect(write(PodKind, pod(bad), pod(bad))).not.toThrow();
    expect(write(PodKind, pod(bad), pod(bad), 'status')).not.toThrow();
    expect(write(PodKind, pod(bad), pod(GOOD))).toThrow('violates PodSecurity');
  });

  test('refuses a namespace with an unknown level', () => {
    const namespace = labelled({ 'pod-security.kubernetes.io/enforce': 'strict' });
    expect(write(NamespaceKind, namespace)).toThrow('must be one of privileged, baseline, restricted');
  });
});
