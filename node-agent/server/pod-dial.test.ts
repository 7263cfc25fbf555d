import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import type { Pod } from '#api/objects.ts';
import { newObserved, type Observed } from '../pods/observed.ts';
import { podDialler } from './pod-dial.ts';

const NODE = '192.0.2.1';

function worker(spec: Partial<NonNullable<Pod['spec']>>, addresses: string[]) {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default', uid: 'u' },
    spec: { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 9100 }] }], ...spec },
    // What others write there is no reason to dial it.
    status: { podIP: '169.254.169.254', podIPs: [{ ip: '169.254.169.254' }] },
  };
  const attachment = { addresses, gateway: '10.0.0.1', interface: 'eth0' };
  const observed: Observed = { ...newObserved(0), ...(addresses.length > 0 && { attachment }) };
  return { pod: () => pod, observed: () => observed };
}

function dialler(...pods: ReturnType<typeof worker>[]) {
  const connect = async () => new Duplex();
  return podDialler({ pods: () => pods, hostIPs: [NODE], connect });
}

test('a pod is dialled at the addresses the node gave it', async () => {
  const dial = dialler(worker({}, ['10.0.0.2', 'fd00::2']));
  await expect(dial('10.0.0.2:80')).resolves.toBeInstanceOf(Duplex);
  await expect(dial('[fd00::2]:80')).resolves.toBeInstanceOf(Duplex);
});

test.each([
  '127.0.0.1:6443',
  '169.254.169.254:80',
  '10.0.0.3:80',
  `${NODE}:22`,
  '10.0.0.2',
  'localhost:1',
  '',
])('nothing else is: %s', async (address) => {
  await expect(dialler(worker({}, ['10.0.0.2']))(address)).rejects.toThrow('address not allowed');
});

test("a pod on the node's network is dialled only at ports it declares", async () => {
  const dial = dialler(worker({ hostNetwork: true }, []));
  await expect(dial(`${NODE}:9100`)).resolves.toBeInstanceOf(Duplex);
  await expect(dial(`${NODE}:22`)).rejects.toThrow('address not allowed');
});
