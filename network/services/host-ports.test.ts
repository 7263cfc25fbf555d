import { expect, test } from 'vitest';
import type { Pod } from '#api/objects.ts';
import { hostPortRules } from './host-ports.ts';

function podWith(ports: NonNullable<NonNullable<Pod['spec']>['containers'][number]['ports']>): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { containers: [{ name: 'main', ports }] },
    status: { phase: 'Running', podIPs: [{ ip: '10.244.0.5' }] },
  };
}

test('a hostPort is a port of every address of the node', () => {
  const [rule] = hostPortRules(podWith([{ containerPort: 8080, hostPort: 80 }, { containerPort: 9000 }]));
  expect(rule).toMatchObject({
    nodePort: 80,
    addresses: [],
    endpoints: [{ address: '10.244.0.5', port: 8080, local: true }],
  });
});

test('with a hostIP it is a port of that address alone', () => {
  const ports = [{ containerPort: 53, hostPort: 53, hostIP: '192.0.2.1', protocol: 'UDP' }];
  const [rule, ...rest] = hostPortRules(podWith(ports));
  expect(rest).toEqual([]);
  expect(rule).toMatchObject({ protocol: 'UDP', addresses: ['192.0.2.1'], port: 53 });
  expect(rule).not.toHaveProperty('nodePort');
});

test('none for the loopback address, the node network, finished pods and pods without address', () => {
  const ports = [{ containerPort: 80, hostPort: 80 }];
  expect(hostPortRules(podWith([{ ...ports[0]!, hostIP: '127.0.0.1' }]))).toEqual([]);
  const onNode = podWith(ports);
  onNode.spec!.hostNetwork = true;
  expect(hostPortRules(onNode)).toEqual([]);
  expect(hostPortRules({ ...podWith(ports), status: { phase: 'Failed' } })).toEqual([]);
  expect(hostPortRules({ ...podWith(ports), status: {} })).toEqual([]);
});
