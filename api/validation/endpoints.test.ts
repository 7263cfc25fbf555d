import { describe, expect, it } from 'vitest';
import { EndpointSliceKind } from '../kinds/endpoint-slice.ts';
import { EndpointsKind } from '../kinds/endpoints.ts';
import { faultsOf } from '../specimens/made.ts';

const IP = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DOTS = 'must not contain dots';
const QUALIFIED =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

describe('endpoints', () => {
  it.each<[string, object, string[]]>([
    [
      'an address that is missing',
      { addresses: [{}] },
      [`subsets[0].addresses[0].ip: Invalid value: "": ${IP}`],
    ],
    [
      'wrong names beside an address',
      { notReadyAddresses: [{ ip: '10.0.0.1', hostname: 'a.b', nodeName: 'N' }] },
      [
        `subsets[0].notReadyAddresses[0].hostname: Invalid value: "a.b": ${DOTS}`,
        `subsets[0].notReadyAddresses[0].nodeName: Invalid value: "N": ${SUBDOMAIN}`,
      ],
    ],
    [
      'wrong ports',
      { addresses: [{ ip: '10.0.0.1' }], ports: [{ name: 'A', port: 1, protocol: 'X', appProtocol: '_' }] },
      [
        `subsets[0].ports[0].name: Invalid value: "A": ${LABEL}`,
        'subsets[0].ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
        `subsets[0].ports[0].appProtocol: Invalid value: "_": ${QUALIFIED}`,
      ],
    ],
  ])('do not take %s', (_what, subset, faults) => {
    expect(faultsOf(EndpointsKind, { subsets: [subset] })).toEqual(faults);
  });
});

const at = 'endpoints[0]';
const slice = (parts: object) => ({
  addressType: 'IPv4',
  endpoints: [{ addresses: ['10.0.0.1'], ...parts }],
});
const names = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `n${index}` }));
const domain = (name: string) => ({ addressType: 'FQDN', endpoints: [{ addresses: [name] }] });

describe('a slice of endpoints', () => {
  it.each<[string, Record<string, unknown>, string[]]>([
    ['no type', {}, ['addressType: Required value']],
    [
      'more addresses than there may be',
      slice({ addresses: Array.from({ length: 101 }, (_, index) => `10.0.0.${index}`) }),
      [`${at}.addresses: Too many: 101: must have at most 100 items`],
    ],
    [
      'an address of the other family',
      { addressType: 'IPv6', endpoints: [{ addresses: ['10.0.0.1'] }] },
      [`${at}.addresses[0]: Invalid value: "10.0.0.1": must be an IPv6 address`],
    ],
    [
      'more endpoints than there may be',
      { addressType: 'IPv4', endpoints: Array.from({ length: 1001 }, () => ({})) },
      ['endpoints: Too many: 1001: must have at most 1000 items'],
    ],
    [
      'more ports than there may be',
      { addressType: 'IPv4', ports: Array.from({ length: 20_001 }, () => ({})) },
      ['ports: Too many: 20001: must have at most 20000 items'],
    ],
    [
      'wrong names',
      slice({ nodeName: 'N', hostname: 'a.b', deprecatedTopology: { _: '1' } }),
      [
        `${at}.nodeName: Invalid value: "N": ${SUBDOMAIN}`,
        `${at}.deprecatedTopology: Invalid value: "_": ${QUALIFIED}`,
        `${at}.hostname: Invalid value: "a.b": ${DOTS}`,
      ],
    ],
    [
      'more labels than there may be',
      slice({ deprecatedTopology: Object.fromEntries(names(17).map(({ name }) => [name, ''])) }),
      [`${at}.deprecatedTopology: Too many: 17: must have at most 16 items`],
    ],
    [
      'hints for too many, or for one twice',
      slice({ hints: { forZones: names(9), forNodes: [...names(1), ...names(1)] } }),
      [
        `${at}.hints.forZones: Too many: 9: must have at most 8 items`,
        `${at}.hints.forNodes[1].name: Duplicate value: "n0"`,
      ],
    ],
    [
      'hints for nobody',
      slice({ hints: { forZones: [{ name: 'a'.repeat(64) }], forNodes: [{}] } }),
      [
        `${at}.hints.forZones[0].name: Invalid value: "${'a'.repeat(64)}": must be no more than 63 characters`,
        `${at}.hints.forNodes[0].name: Invalid value: "": ${SUBDOMAIN}`,
      ],
    ],
    [
      'wrong ports',
      { addressType: 'IPv4', ports: [{ name: 'A', port: 0, protocol: 'X', appProtocol: '_' }] },
      [
        `ports[0].name: Invalid value: "A": ${LABEL}`,
        'ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
        'ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
        `ports[0].appProtocol: Invalid value: "_": ${QUALIFIED}`,
      ],
    ],
    ['an empty domain', domain(''), [`${at}.addresses[0]: Required value`]],
    ['a domain that is none', domain('A.b.'), [`${at}.addresses[0]: Invalid value: "A.b": ${SUBDOMAIN}`]],
    [
      'a domain of one label',
      domain('host.'),
      [
        `${at}.addresses[0]: Invalid value: "host": should be a domain with at least two segments separated by dots`,
      ],
    ],
    [
      'a domain with a long label',
      domain(`${'a'.repeat(64)}.b`),
      [`${at}.addresses[0]: Invalid value: "${'a'.repeat(64)}": must be no more than 63 characters`],
    ],
  ])('does not take %s', (_what, parts, faults) => {
    expect(faultsOf(EndpointSliceKind, parts)).toEqual(faults);
  });
});
