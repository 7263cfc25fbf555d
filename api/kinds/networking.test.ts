import { describe, expect, it } from 'vitest';
import { made, tableOf } from '../specimens/made.ts';
import { IngressKind } from './ingress.ts';
import { IngressClassKind } from './ingress-class.ts';
import { IPAddressKind } from './ip-address.ts';
import { NetworkPolicyKind } from './network-policy.ts';
import { ServiceCIDRKind } from './service-cidr.ts';

describe('a network policy', () => {
  it('is about ingress to every pod unless it says otherwise', () => {
    expect(made(NetworkPolicyKind, {})).toEqual({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'specimen', namespace: 'default' },
      spec: { podSelector: {}, policyTypes: ['Ingress'] },
    });
  });

  it('is about egress too when it has a rule for it', () => {
    const spec = {
      ingress: [{ ports: [{ port: 80 }] }],
      egress: [{ ports: [{ port: 53, protocol: 'UDP' }] }],
    };
    expect(made(NetworkPolicyKind, { spec }).spec).toEqual({
      podSelector: {},
      ingress: [{ ports: [{ port: 80, protocol: 'TCP' }] }],
      egress: [{ ports: [{ port: 53, protocol: 'UDP' }] }],
      policyTypes: ['Ingress', 'Egress'],
    });
    expect(made(NetworkPolicyKind, { spec: { egress: [] } }).spec?.policyTypes).toEqual(['Ingress']);
    expect(made(NetworkPolicyKind, { spec: { policyTypes: ['Egress'] } }).spec?.policyTypes).toEqual([
      'Egress',
    ]);
  });

  it('is printed with its selector', () => {
    const podSelector = {
      matchLabels: { app: 'web' },
      matchExpressions: [{ key: 'old', operator: 'Exists' }],
    };
    expect(tableOf(NetworkPolicyKind, { spec: { podSelector } })).toEqual([
      'Name|Pod-Selector|Age',
      'specimen|app=web,old|24h',
    ]);
    expect(tableOf(NetworkPolicyKind, { spec: { podSelector: {} } })[1]).toBe('specimen|<none>|24h');
  });
});

describe('an ingress', () => {
  it('begins with an empty status', () => {
    const status = { loadBalancer: { ingress: [{ ip: '10.0.0.1' }] } };
    expect(made(IngressKind, { status })).toEqual({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'specimen', namespace: 'default' },
      spec: {},
      status: { loadBalancer: {} },
    });
  });

  const hosts = (...list: string[]) => ({ rules: list.map((host) => ({ host })) });
  it.each<[object, string]>([
    [{}, '<none>|*||80'],
    [{ ingressClassName: 'proxy', tls: [{}], ...hosts('a') }, 'proxy|a||80, 443'],
    [hosts('a', '', 'b', 'c'), '<none>|a,b,c||80'],
    [hosts('a', 'b', 'c', 'd', 'e'), '<none>|a,b,c + 2 more...||80'],
  ])('is printed: %j', (spec, row) => {
    expect(tableOf(IngressKind, { spec })).toEqual([
      'Name|Class|Hosts|Address|Ports|Age',
      `specimen|${row}|24h`,
    ]);
  });

  it('is printed with each address once, in order', () => {
    const points = [
      { ip: '10.0.0.2' },
      { hostname: 'b.c' },
      { ip: '10.0.0.1', hostname: 'a' },
      { ip: '10.0.0.2' },
    ];
    expect(tableOf(IngressKind, { status: { loadBalancer: { ingress: points } } })[1]).toBe(
      'specimen|<none>|*|10.0.0.1,10.0.0.2,b.c|80|24h',
    );
  });
});

describe('an ingress class', () => {
  const controller = 'example.com/proxy';
  const reference = { kind: 'Proxy', name: 'p' };

  it('has parameters of the cluster unless it says otherwise', () => {
    const spec = { controller, parameters: reference };
    expect(made(IngressClassKind, { spec })).toEqual({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'specimen' },
      spec: { controller, parameters: { ...reference, scope: 'Cluster' } },
    });
  });

  it.each<[object, string]>([
    [{ controller }, '<none>'],
    [{ controller, parameters: reference }, 'Proxy/p'],
    [{ controller, parameters: { ...reference, apiGroup: 'example.com' } }, 'Proxy.example.com/p'],
  ])('is printed: %j', (spec, parameters) => {
    expect(tableOf(IngressClassKind, { spec })).toEqual([
      'Name|Controller|Parameters|Age',
      `specimen|example.com/proxy|${parameters}|24h`,
    ]);
  });
});

describe('an address', () => {
  it.each<[object, string]>([
    [{}, '<none>'],
    [{ parentRef: { resource: 'services', namespace: 'default', name: 'web' } }, 'services/default/web'],
    [{ parentRef: { group: 'example.com', resource: 'Gateways', name: 'g' } }, 'gateways.example.com/g'],
  ])('is printed with whose it is: %j', (spec, parent) => {
    expect(tableOf(IPAddressKind, { metadata: { name: '10.0.0.1' }, spec })).toEqual([
      'Name|ParentRef|Age',
      `10.0.0.1|${parent}|24h`,
    ]);
  });
});

describe('a range of addresses', () => {
  it('is printed with both of its families', () => {
    const range = made(ServiceCIDRKind, { spec: { cidrs: ['10.0.0.0/24', 'fd00::/64'] } });
    expect(range).toMatchObject({ status: {} });
    expect(tableOf(ServiceCIDRKind, { spec: range.spec })).toEqual([
      'Name|CIDRs|Age',
      'specimen|10.0.0.0/24,fd00::/64|24h',
    ]);
  });
});
