import { expect, it } from 'vitest';
import type { EndpointSlice, Pod, Service } from '#api/objects.ts';
import type { Entry } from '#store/contract.ts';
import { encodeValue } from '#store/value.ts';
import { checkAddresses, checkEvent, checkOwners, checkServices } from './invariants.ts';

const entry = (nodeName: string | undefined, phase = 'Running', uid = '1'): Entry => {
  const pod = { metadata: { name: 'web', uid }, spec: { nodeName }, status: { phase } };
  const value = encodeValue({ time: 0, actor: 'test' }, Buffer.from(JSON.stringify(pod)));
  return { key: '/gantry/sim/v1/core/pods/default/web', value, revision: 1, createRevision: 1 };
};
const change = (previous: Entry, now: Entry) => checkEvent({ type: 'put', entry: now, previous });

it('a pod is bound once', () => {
  expect(change(entry(undefined), entry('a'))).toBeUndefined();
  expect(change(entry('a'), entry('a'))).toBeUndefined();
  expect(change(entry('a'), entry('b'))).toBe('web was bound to a, then to b');
  expect(change(entry('a'), entry('b', 'Running', '2'))).toBeUndefined();
});

it('a pod that ended does not run again', () => {
  expect(change(entry('a'), entry('a', 'Failed'))).toBeUndefined();
  expect(change(entry('a', 'Failed'), entry('a'))).toBe('web had ended and runs again');
});

it('a pod that ran does not wait again', () => {
  expect(change(entry('a', 'Pending'), entry('a'))).toBeUndefined();
  expect(change(entry('a'), entry('a', 'Pending'))).toBe('web was Running and is Pending again');
});

const pod = (name: string, ip: string, part: Partial<Pod> = {}): Pod =>
  ({
    kind: 'Pod',
    metadata: { name, uid: name, labels: { app: 'web' } },
    status: { phase: 'Running', podIP: ip, conditions: [{ type: 'Ready', status: 'True' }] },
    ...part,
  }) as Pod;

it('no pod outlives its owner', () => {
  const owned = (uid: string) => ({
    ...pod('a', '10.0.0.1'),
    metadata: {
      name: 'a',
      uid: 'a',
      ownerReferences: [{ kind: 'ReplicaSet', name: 'rs', uid, controller: true }],
    },
  });
  const owner = { ...pod('rs', ''), kind: 'ReplicaSet' };
  expect(checkOwners([owner], [owned('rs') as Pod])).toBeUndefined();
  expect(checkOwners([owner], [owned('gone') as Pod])).toBe('Pod a outlives its owner ReplicaSet rs');
});

it('no two pods that live have one address', () => {
  expect(checkAddresses([pod('a', '10.0.0.1'), pod('b', '10.0.0.2')])).toBeUndefined();
  const ended = pod('b', '10.0.0.1', { status: { phase: 'Failed', podIP: '10.0.0.1' } });
  expect(checkAddresses([pod('a', '10.0.0.1'), ended])).toBeUndefined();
  expect(checkAddresses([pod('a', '10.0.0.1'), pod('b', '10.0.0.1')])).toBe(
    'a and b have the address 10.0.0.1',
  );
});

it('a Service sends to ready pods only', () => {
  const services = [
    { metadata: { name: 'web' }, spec: { selector: { app: 'web' } } },
  ] as unknown as Service[];
  const slice = (...addresses: string[]) =>
    [
      {
        metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
        endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
      },
    ] as unknown as EndpointSlice[];
  const pods = [
    pod('a', '10.0.0.1'),
    pod('b', '10.0.0.2', { status: { phase: 'Pending', podIP: '10.0.0.2' } }),
  ];
  expect(checkServices(services, slice('10.0.0.1'), pods)).toBeUndefined();
  expect(checkServices(services, slice(), pods)).toBe('the Service web sends to nobody, ready is 10.0.0.1');
  expect(checkServices(services, slice('10.0.0.1', '10.0.0.2'), pods)).toContain('10.0.0.2');
});
