import { describe, expect, it } from 'vitest';
import { NodeKind } from '../kinds/node.ts';
import { made, type Parts, refusals, statusRefusals, updateRefusals } from '../testing/refusals.ts';

const CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
const FAMILIES = 'may specify no more than one CIDR for each IP family';
const PODS = '10.244.0.0/24';

describe('a node is refused', () => {
  it.each<[string, Parts, unknown[]]>([
    [
      'with taints that cannot be, or twice',
      {
        spec: {
          taints: [
            { key: 'a', effect: 'Never' },
            { key: 'b', effect: 'NoSchedule' },
            { key: 'b', effect: 'NoSchedule' },
            { key: '-', value: '-' },
          ],
        },
      },
      [
        'metadata.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
        'metadata.taints[2]: Duplicate value: {"key":"b","effect":"NoSchedule"}: taints must be unique by key and effect pair',
        expect.stringMatching(/^metadata.taints\[3\].key: Invalid value: "-": name part must consist of /),
        expect.stringMatching(/^metadata.taints\[3\].value: Invalid value: "-": a valid label must be /),
        'metadata.taints[3].effect: Required value',
      ],
    ],
    [
      'with less than nothing, or half a pod',
      { status: { capacity: { cpu: '-1', pods: '500m' }, allocatable: { memory: '-1' } } },
      [
        'status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0',
        'status.capacity.pods: Invalid value: "500m": must be an integer',
        'status.allocatable.memory: Invalid value: "-1": must be greater than or equal to 0',
      ],
    ],
    [
      'with a block that is none',
      { spec: { podCIDR: '10.244.0.0' } },
      [`spec.podCIDRs[0]: Invalid value: "10.244.0.0": ${CIDR}`],
    ],
    [
      'with the same block twice',
      { spec: { podCIDRs: [PODS, PODS] } },
      [
        `spec.podCIDRs: Invalid value: ["${PODS}","${PODS}"]: ${FAMILIES}`,
        `spec.podCIDRs[1]: Duplicate value: "${PODS}"`,
      ],
    ],
  ])('%s', (_what, parts, faults) => {
    expect(refusals(NodeKind, parts)).toEqual(faults);
  });

  it('but not with a block of each family', () => {
    expect(refusals(NodeKind, { spec: { podCIDRs: [PODS, 'fd00::/64'] } })).toEqual([]);
  });
});

describe('a node that exists', () => {
  it.each<[string, Parts, Parts, string[]]>([
    ['gets its blocks', {}, { podCIDR: PODS }, []],
    [
      'keeps them',
      { podCIDR: PODS },
      { podCIDR: '10.244.1.0/24' },
      ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'],
    ],
    [
      'keeps its names elsewhere',
      { providerID: 'a', externalID: 'a' },
      { providerID: 'b' },
      [
        'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
        'spec.externalID: Forbidden: may not be updated',
      ],
    ],
  ])('%s', (_what, before, after, faults) => {
    expect(updateRefusals(NodeKind, { spec: before }, { spec: after })).toEqual(faults);
  });
});

it('the status of a node says each thing once, and no less than nothing', () => {
  const address = { type: 'InternalIP', address: '10.0.0.1' };
  expect(
    statusRefusals(NodeKind, {
      status: { addresses: [address, address], capacity: { cpu: '-1' }, allocatable: {} },
    }),
  ).toEqual([
    'status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0',
    'status.addresses[1]: Duplicate value: {"type":"InternalIP","address":"10.0.0.1"}',
  ]);
});

it('the one block of a node is the first of all', () => {
  const blocks = (spec: Parts) => {
    const { podCIDR, podCIDRs } = made(NodeKind, { spec }).spec!;
    return [podCIDR, podCIDRs];
  };
  expect(blocks({ podCIDR: PODS })).toEqual([PODS, [PODS]]);
  expect(blocks({ podCIDRs: [PODS, 'fd00::/64'] })).toEqual([PODS, [PODS, 'fd00::/64']]);
  expect(blocks({})).toEqual([undefined, undefined]);
});
