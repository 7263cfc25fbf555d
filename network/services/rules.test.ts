import { expect, test } from 'vitest';
import type { EndpointSlice, Service } from '#api/objects.ts';
import { servicePortRules } from './rules.ts';

function service(name: string, spec: Service['spec']): Service {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec };
}

function slice(
  of: string,
  ports: EndpointSlice['ports'],
  endpoints: EndpointSlice['endpoints'],
): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${of}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': of } },
    addressType: 'IPv4',
    ports,
    endpoints,
  };
}

const web = service('web', {
  type: 'NodePort',
  clusterIP: '10.96.0.7',
  clusterIPs: ['10.96.0.7'],
  ports: [
    { name: 'http', port: 80, nodePort: 30080, protocol: 'TCP' },
    { name: 'dns', port: 53, nodePort: 30053, protocol: 'UDP' },
  ],
});

test('each port of a service becomes a rule with the endpoints of that port', () => {
  const slices = [
    slice(
      'web',
      [
        { name: 'http', port: 8080, protocol: 'TCP' },
        { name: 'dns', port: 5353, protocol: 'UDP' },
      ],
      [
        { addresses: ['10.244.1.9'], nodeName: 'b', conditions: { ready: true } },
        { addresses: ['10.244.0.5'], nodeName: 'a', conditions: {} },
        { addresses: ['10.244.0.6'], nodeName: 'a', conditions: { ready: false } },
      ],
    ),
  ];
  const rules = servicePortRules([web], slices, 'a');
  expect(rules.map(({ name, protocol, nodePort }) => ({ name, protocol, nodePort }))).toEqual([
    { name: 'shop/web:http', protocol: 'TCP', nodePort: 30080 },
    { name: 'shop/web:dns', protocol: 'UDP', nodePort: 30053 },
  ]);
  expect(rules[0]!.endpoints).toEqual([
    { address: '10.244.0.5', port: 8080, local: true },
    { address: '10.244.1.9', port: 8080, local: false },
  ]);
  expect(rules[1]!.endpoints.map(({ port }) => port)).toEqual([5353, 5353]);
});

test('terminating endpoints serve only while no other is ready', () => {
  const leaving = {
    addresses: ['10.244.0.5'],
    conditions: { ready: false, serving: true, terminating: true },
  };
  const ready = { addresses: ['10.244.0.6'], conditions: { ready: true } };
  const ports = [{ name: 'http', port: 8080 }];
  const addresses = (endpoints: EndpointSlice['endpoints']) =>
    servicePortRules([web], [slice('web', ports, endpoints)], 'a')[0]!.endpoints.map((each) => each.address);
  expect(addresses([leaving])).toEqual(['10.244.0.5']);
  expect(addresses([leaving, ready])).toEqual(['10.244.0.6']);
});

test('headless, ExternalName and foreign services have no rules; no slices means no endpoints', () => {
  const headless = service('headless', { clusterIP: 'None', ports: [{ port: 80 }] });
  const external = service('external', { type: 'ExternalName', externalName: 'example.org' });
  const foreign = service('foreign', { clusterIP: '10.96.0.9', ports: [{ port: 80 }] });
  foreign.metadata.labels = { 'service.kubernetes.io/service-proxy-name': 'other' };
  expect(servicePortRules([headless, external, foreign], [], 'a')).toEqual([]);
  expect(servicePortRules([web], [], 'a')[0]!.endpoints).toEqual([]);
});

test('affinity, policies and external addresses are carried over', () => {
  const sticky = service('sticky', {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.8',
    externalIPs: ['192.0.2.1'],
    sessionAffinity: 'ClientIP',
    externalTrafficPolicy: 'Local',
    internalTrafficPolicy: 'Cluster',
    ports: [{ port: 443 }],
  });
  sticky.status = { loadBalancer: { ingress: [{ ip: '192.0.2.2' }, { ip: '192.0.2.3', ipMode: 'Proxy' }] } };
  expect(servicePortRules([sticky], [], 'a')).toEqual([
    {
      name: 'shop/sticky',
      protocol: 'TCP',
      addresses: ['10.96.0.8', '192.0.2.1', '192.0.2.2'],
      port: 443,
      endpoints: [],
      sessionAffinitySeconds: 10800,
      externalTrafficPolicyLocal: true,
      internalTrafficPolicyLocal: false,
    },
  ]);
});
