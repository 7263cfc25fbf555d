import { describe, expect, it } from 'vitest';
import { made, tableOf } from '../specimens/made.ts';
import { NetworkPolicyKind } from './network-policy.ts';

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
