import { describe, expect, it } from 'vitest';
import { NetworkPolicyKind } from '../kinds/network-policy.ts';
import { faultsOf } from '../specimens/made.ts';

const CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
const at = 'spec.ingress[0]';
const ports = (...list: object[]) => ({ ingress: [{ ports: list }] });
const from = (...list: object[]) => ({ ingress: [{ from: list }] });
const broken = { matchExpressions: [{ key: 'a', operator: 'Near' }] };
const brokenAt = (field: string) =>
  `${field}.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator`;

describe('a network policy', () => {
  it.each<[string, object, string[]]>([
    ['a broken selector', { podSelector: broken }, [brokenAt('spec.podSelector')]],
    [
      'an unknown protocol',
      ports({ protocol: 'ICMP' }),
      [`${at}.ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"`],
    ],
    [
      'a port that is none',
      ports({ port: 0 }, { port: 'web_' }),
      [
        `${at}.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive`,
        `${at}.ports[1].port: Invalid value: "web_": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`,
      ],
    ],
    [
      'the end of a range without a number as its beginning',
      ports({ endPort: 9 }, { port: 'web', endPort: 9 }),
      [
        `${at}.ports[0].endPort: Invalid value: 9: may not be specified when \`port\` is not specified`,
        `${at}.ports[1].endPort: Invalid value: 9: may not be specified when \`port\` is non-numeric`,
      ],
    ],
    [
      'a range that ends before it begins or beyond all ports',
      ports({ port: 80, endPort: 79 }, { port: 80, endPort: 65536 }),
      [
        `${at}.ports[0].endPort: Invalid value: 79: must be greater than or equal to \`port\``,
        `${at}.ports[1].endPort: Invalid value: 65536: must be between 1 and 65535, inclusive`,
      ],
    ],
    ['a peer that is nobody', from({}), [`${at}.from[0]: Required value: must specify a peer`]],
    [
      'a block of addresses with a selector',
      from({ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }),
      [`${at}.from[0]: Forbidden: may not specify both ipBlock and another peer`],
    ],
    [
      'peers with broken selectors',
      from({ podSelector: broken, namespaceSelector: broken }),
      [brokenAt(`${at}.from[0].podSelector`), brokenAt(`${at}.from[0].namespaceSelector`)],
    ],
    [
      'blocks that are none',
      from({ ipBlock: {} }, { ipBlock: { cidr: '10.0.0.0', except: ['x'] } }),
      [
        `${at}.from[0].ipBlock.cidr: Required value`,
        `${at}.from[1].ipBlock.cidr: Invalid value: "10.0.0.0": ${CIDR}`,
      ],
    ],
    [
      'exceptions outside of their block',
      from({ ipBlock: { cidr: '10.0.0.0/8', except: ['x', '11.0.0.0/16', '10.0.0.0/8', 'fd00::/16'] } }),
      [
        `${at}.from[0].ipBlock.except[0]: Invalid value: "x": ${CIDR}`,
        ...['11.0.0.0/16', '10.0.0.0/8', 'fd00::/16'].map(
          (text, index) =>
            `${at}.from[0].ipBlock.except[${index + 1}]: Invalid value: "${text}": must be a strict subset of \`cidr\``,
        ),
      ],
    ],
    [
      'wrong egress',
      { egress: [{ ports: [{ port: -1 }], to: [{}] }] },
      [
        'spec.egress[0].ports[0].port: Invalid value: -1: must be between 1 and 65535, inclusive',
        'spec.egress[0].to[0]: Required value: must specify a peer',
      ],
    ],
    [
      'an unknown direction',
      { policyTypes: ['Ingress', 'Sideways'] },
      ['spec.policyTypes[1]: Unsupported value: "Sideways": supported values: "Ingress", "Egress"'],
    ],
    [
      'more directions than there are',
      { policyTypes: ['Ingress', 'Egress', 'Ingress'] },
      [
        'spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes',
      ],
    ],
  ])('does not take %s', (_what, spec, faults) => {
    expect(faultsOf(NetworkPolicyKind, { spec })).toEqual(faults);
  });
});
