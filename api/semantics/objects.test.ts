import { describe, expect, it } from 'vitest';
import { DeploymentKind } from '../kinds/deployment.ts';
import type { ConfigMap, Deployment, Pod } from '../objects.ts';
import { type Condition, conditionOf, withCondition } from './conditions.ts';
import { controllerOf, controllerReference } from './owners.ts';
import { availableAt, isPodActive, isPodReady, podAddresses } from './pod-status.ts';
import { targetPortOf } from './service-ports.ts';
import { canonicalJson, podTemplateHash } from './template-hash.ts';

function pod(more: Partial<Pod> = {}): Pod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'd' }, ...more };
}

const ready = (status: string, lastTransitionTime?: string): Pod =>
  pod({ status: { conditions: [{ type: 'Ready', status, lastTransitionTime }] } });

describe('a pod', () => {
  it('is ready by its condition alone', () => {
    expect(isPodReady(ready('True'))).toBe(true);
    expect(isPodReady(ready('False'))).toBe(false);
    expect(isPodReady(pod())).toBe(false);
  });

  it('is available once it has been ready for long enough', () => {
    const since = '2026-01-01T00:00:00Z';
    const start = Date.parse(since);
    expect(availableAt(ready('True', since), 10)).toBe(start + 10_000);
    expect(availableAt(ready('True'), 0)).toBe(Number.NEGATIVE_INFINITY);
    expect(availableAt(ready('True'), 1)).toBe(Number.POSITIVE_INFINITY);
    expect(availableAt(ready('False', since), 0)).toBe(Number.POSITIVE_INFINITY);
  });

  it('is active until it ends or is told to go', () => {
    expect(isPodActive(pod({ status: { phase: 'Running' } }))).toBe(true);
    expect(isPodActive(pod({ status: { phase: 'Failed' } }))).toBe(false);
    expect(isPodActive(pod({ status: { phase: 'Succeeded' } }))).toBe(false);
    expect(isPodActive(pod({ metadata: { name: 'p', deletionTimestamp: '2026-01-01T00:00:00Z' } }))).toBe(
      false,
    );
  });

  it('has its addresses in one list', () => {
    expect(podAddresses(pod({ status: { podIP: '10.0.0.1' } }))).toEqual(['10.0.0.1']);
    expect(
      podAddresses(pod({ status: { podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] } })),
    ).toEqual(['10.0.0.1', 'fd00::1']);
    expect(podAddresses(pod())).toEqual([]);
  });
});

describe('conditions', () => {
  const list: Condition[] = [
    { type: 'Ready', status: 'True', reason: 'Up', lastTransitionTime: '2026-01-01T00:00:00Z' },
    { type: 'Other', status: 'False' },
  ];
  const later = Date.UTC(2026, 0, 2);

  it('keep their list when nothing changes', () => {
    expect(withCondition(list, { type: 'Ready', status: 'True', reason: 'Up' }, later)).toBe(list);
  });

  it('keep their transition time while the status stays', () => {
    const next = withCondition(list, { type: 'Ready', status: 'True', reason: 'StillUp' }, later);
    expect(conditionOf(next, 'Ready')).toEqual({ ...list[0], reason: 'StillUp' });
    expect(next.map(({ type }) => type)).toEqual(['Ready', 'Other']);
  });

  it('take a new transition time with a new status', () => {
    const next = withCondition(list, { type: 'Ready', status: 'False' }, later);
    expect(conditionOf(next, 'Ready')!.lastTransitionTime).toBe('2026-01-02T00:00:00Z');
    expect(withCondition<Condition>(undefined, { type: 'New', status: 'True' }, later)).toHaveLength(1);
  });
});

describe('owners', () => {
  const owner: Deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', uid: 'u1' },
  };

  it('control what refers to them as controller', () => {
    const reference = controllerReference(DeploymentKind, owner);
    expect(reference).toEqual({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      name: 'web',
      uid: 'u1',
      controller: true,
      blockOwnerDeletion: true,
    });
    const owned: ConfigMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'c', ownerReferences: [reference] },
    };
    expect(controllerOf(owned)).toBe(reference);
    expect(
      controllerOf({
        ...owned,
        metadata: { name: 'c', ownerReferences: [{ ...reference, controller: false }] },
      }),
    ).toBe(undefined);
  });
});

describe('service ports', () => {
  const target = pod({
    spec: {
      initContainers: [
        { name: 'proxy', restartPolicy: 'Always', ports: [{ name: 'admin', containerPort: 15000 }] },
        { name: 'setup', ports: [{ name: 'setup', containerPort: 1 }] },
      ],
      containers: [
        { name: 'a', ports: [{ name: 'dns', containerPort: 53, protocol: 'UDP' }] },
        { name: 'b', ports: [{ name: 'dns', containerPort: 1053, protocol: 'TCP' }] },
      ],
    },
  });

  it.each([
    [53, { port: 80, targetPort: 53 }],
    [80, { port: 80 }],
    [1053, { port: 80, targetPort: 'dns' }],
    [53, { port: 80, targetPort: 'dns', protocol: 'UDP' }],
    [15000, { port: 80, targetPort: 'admin' }],
    [undefined, { port: 80, targetPort: 'setup' }],
    [undefined, { port: 80, targetPort: 'web' }],
  ])('lead to %s for %j', (expected, port) => {
    expect(targetPortOf(target, port)).toBe(expected);
  });
});

describe('the hash of a template', () => {
  const template = {
    metadata: { labels: { app: 'web' } },
    spec: { containers: [{ name: 'a', image: 'b' }] },
  };

  it('is the same whatever the order of keys, and is never to change', () => {
    const reordered = {
      spec: { containers: [{ image: 'b', name: 'a' }] },
      metadata: { labels: { app: 'web' } },
    };
    expect(podTemplateHash(template)).toBe(podTemplateHash(reordered));
    expect(podTemplateHash(template)).toMatchInlineSnapshot(`"7f78bd9cfd"`);
  });

  it('differs with the content and with the collision count', () => {
    const hashes = [
      podTemplateHash(template),
      podTemplateHash(template, 0),
      podTemplateHash(template, 1),
      podTemplateHash({ ...template, spec: { containers: [] } }),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
    for (const hash of hashes) expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/);
  });

  it('is over JSON without what is undefined or null', () => {
    expect(canonicalJson({ b: [1, null, 'x'], a: undefined, c: null })).toBe('{"b":[1,null,"x"]}');
  });
});
