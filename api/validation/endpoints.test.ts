import { describe } from 'vitest';
import type { Kind } from '../kind.ts';
import { EndpointSliceKind } from '../kinds/endpoint-slice.ts';
import { EndpointsKind } from '../kinds/endpoints.ts';
import { LABEL, LABEL_VALUE, QUALIFIED, SUBDOMAIN } from '../testing/name-texts.ts';
import {
  type ChangeRefusal,
  type Parts,
  type Refusal,
  refusesEach,
  refusesEachChange,
} from '../testing/refusals.ts';

const many = <T>(count: number, element: T): T[] => Array.from({ length: count }, () => element);
const slice = (endpoint: Parts, addressType = 'IPv4'): Parts => ({
  addressType,
  endpoints: [{ addresses: [addressType === 'FQDN' ? 'a.b' : '10.0.0.1'], ...endpoint }],
});
const labels = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`l${index}`, '']));

/** [kind, the wrong parts, the faults]. */
const WRONG: Refusal[] = [
  [
    EndpointsKind as Kind,
    { subsets: [{}, { addresses: [{ ip: 'x' }], ports: [{ port: 0 }, { name: 'b', port: 1 }] }] },
    [
      'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`',
      'subsets[1].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'subsets[1].ports[0].name: Required value',
      'subsets[1].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
    ],
  ],
  [
    EndpointSliceKind as Kind,
    { addressType: 'IPv4', endpoints: [{ addresses: ['::1', 'x'] }, {}], ports: [{}, {}] },
    [
      'ports[1].name: Duplicate value: ""',
      'endpoints[0].addresses[0]: Invalid value: "::1": must be an IPv4 address',
      'endpoints[0].addresses[0]: Invalid value: "::1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'endpoints[0].addresses[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'endpoints[1].addresses: Required value: must contain at least 1 address',
    ],
  ],
  [
    EndpointsKind as Kind,
    { subsets: [{ addresses: [{ ip: '169.254.169.254' }] }] },
    [
      'subsets[0].addresses[0].ip: Invalid value: "169.254.169.254": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
    ],
  ],
  [
    EndpointSliceKind as Kind,
    { addressType: 'IPv6', endpoints: [{ addresses: ['::ffff:127.0.0.1', '0:0::1', 'fd00::1'] }] },
    [
      'endpoints[0].addresses[0]: Invalid value: "::ffff:127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'endpoints[0].addresses[1]: Invalid value: "0:0::1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ],
  ],
  [
    EndpointSliceKind as Kind,
    { addressType: 'MAC' },
    ['addressType: Unsupported value: "MAC": supported values: "FQDN", "IPv4", "IPv6"'],
  ],
  [
    EndpointsKind as Kind,
    {
      subsets: [
        {
          notReadyAddresses: [{ ip: '::', hostname: 'A', nodeName: 'B' }, {}],
          ports: [{ name: 'A', port: 70000, protocol: 'ICMP', appProtocol: '-' }],
        },
      ],
    },
    [
      `subsets[0].notReadyAddresses[0].hostname: Invalid value: "A": ${LABEL}`,
      `subsets[0].notReadyAddresses[0].nodeName: Invalid value: "B": ${SUBDOMAIN}`,
      'subsets[0].notReadyAddresses[0].ip: Invalid value: "::": may not be unspecified (::)',
      'subsets[0].notReadyAddresses[1].ip: Invalid value: "": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      `subsets[0].ports[0].name: Invalid value: "A": ${LABEL}`,
      'subsets[0].ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive',
      'subsets[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
      `subsets[0].ports[0].appProtocol: Invalid value: "-": name part ${QUALIFIED}`,
    ],
  ],
  [
    EndpointSliceKind as Kind,
    { addressType: 'IPv4', endpoints: many(1001, {}), ports: many(20_001, {}) },
    [
      'ports: Too many: 20001: must have at most 20000 items',
      'endpoints: Too many: 1001: must have at most 1000 items',
    ],
  ],
  [
    EndpointSliceKind as Kind,
    slice({ addresses: many(101, '10.0.0.1'), deprecatedTopology: labels }),
    [
      'endpoints[0].addresses: Too many: 101: must have at most 100 items',
      'endpoints[0].deprecatedTopology: Too many: 17: must have at most 16 items',
    ],
  ],
  [
    EndpointSliceKind as Kind,
    slice({ hostname: 'A', nodeName: 'B', deprecatedTopology: { '-': '' } }),
    [
      `endpoints[0].nodeName: Invalid value: "B": ${SUBDOMAIN}`,
      `endpoints[0].deprecatedTopology: Invalid value: "-": name part ${QUALIFIED}`,
      `endpoints[0].hostname: Invalid value: "A": ${LABEL}`,
    ],
  ],
  [
    EndpointSliceKind as Kind,
    slice({
      hints: { forZones: [{ name: 'a' }, { name: 'a' }, { name: '-' }], forNodes: many(9, { name: 'a' }) },
    }),
    [
      'endpoints[0].hints.forZones[1].name: Duplicate value: "a"',
      `endpoints[0].hints.forZones[2].name: Invalid value: "-": ${LABEL_VALUE}`,
      'endpoints[0].hints.forNodes: Too many: 9: must have at most 8 items',
    ],
  ],
  [
    EndpointSliceKind as Kind,
    slice({ addresses: ['a.b.', '', 'A.b', 'a', `${'a'.repeat(64)}.b`] }, 'FQDN'),
    [
      'endpoints[0].addresses[1]: Required value',
      `endpoints[0].addresses[2]: Invalid value: "A.b": ${SUBDOMAIN}`,
      'endpoints[0].addresses[3]: Invalid value: "a": should be a domain with at least two segments separated by dots',
      `endpoints[0].addresses[4]: Invalid value: "${'a'.repeat(64)}": must be no more than 63 characters`,
    ],
  ],
  [
    EndpointSliceKind as Kind,
    slice({ addresses: ['10.0.0.1', '::ffff:0.0.0.0'] }, 'IPv6'),
    [
      'endpoints[0].addresses[0]: Invalid value: "10.0.0.1": must be an IPv6 address',
      'endpoints[0].addresses[1]: Invalid value: "::ffff:0.0.0.0": may not be unspecified (::ffff:0.0.0.0)',
    ],
  ],
  [
    EndpointSliceKind as Kind,
    { addressType: 'IPv4', ports: [{ name: 'A', protocol: 'ICMP', appProtocol: '-' }] },
    [
      `ports[0].name: Invalid value: "A": ${LABEL}`,
      'ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
      `ports[0].appProtocol: Invalid value: "-": name part ${QUALIFIED}`,
    ],
  ],
];

describe('what is wrong is refused', () => refusesEach(WRONG));

/** [kind, before, after, the faults]. */
const CHANGES: ChangeRefusal[] = [
  [
    EndpointSliceKind as Kind,
    { addressType: 'IPv4' },
    { addressType: 'IPv6' },
    ['addressType: Invalid value: "IPv6": field is immutable'],
  ],
];

describe('what cannot change stays', () => refusesEachChange(CHANGES));
