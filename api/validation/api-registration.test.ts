import { describe, expect, it } from 'vitest';
import type { Kind } from '../kind.ts';
import { APIServiceKind } from '../kinds/api-service.ts';
import { expectRow, faultsOf, make, type Parts, statusFaultsOf } from '../testing/objects.ts';

const SPEC = { group: 'a.b', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 };
const service = { namespace: 'n', name: 's' };
const metadata = { name: 'v1.a.b' };

/** [name, the wrong parts of the spec, the faults]. */
const WRONG: [string, Parts, string[]][] = [
  ['v1.a', {}, ['metadata.name: Invalid value: "v1.a": must be `spec.version+"."+spec.group`: "v1.a.b"']],
  [
    'v2.',
    { group: undefined, version: 'v2' },
    ['spec.group: Required value: only v1 may have an empty group and it better be legacy kube'],
  ],
  ['v1.', { group: undefined }, []],
  [
    '1.A',
    { group: 'A', version: '1' },
    [
      expect.stringMatching(/^spec.group: Invalid value: "A": a lowercase RFC 1123 subdomain/),
      expect.stringMatching(/^spec.version: Invalid value: "1": a DNS-1035 label must consist/),
    ] as string[],
  ],
  [
    'v1.a.b',
    { groupPriorityMinimum: 0, versionPriority: 1001 },
    [
      'spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000',
      'spec.versionPriority: Invalid value: 1001: must be positive and less than 1000',
    ],
  ],
  [
    'v1.a.b',
    { caBundle: 'AAAA', insecureSkipTLSVerify: true },
    [
      'spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a caBundle',
      'spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify',
    ],
  ],
  [
    'v1.a.b',
    { service: { port: 0 }, caBundle: 'AAAA', insecureSkipTLSVerify: true },
    [
      'spec.service.namespace: Required value',
      'spec.service.name: Required value',
      'spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive',
      'spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present',
    ],
  ],
];

describe('a registered version', () => {
  it.each(WRONG.map(([name, spec, faults]) => ({ name, spec, faults })))(
    '$name is refused: $faults.0',
    ({ name, spec, faults }) => {
      expect(faultsOf(APIServiceKind, { metadata: { name }, spec: { ...SPEC, ...spec } })).toEqual(faults);
    },
  );

  it('has conditions that are true, false or unknown', () => {
    const status = { conditions: [{ type: 'Available', status: 'Maybe' }] };
    expect(
      statusFaultsOf(APIServiceKind, { metadata, spec: SPEC }, { metadata, spec: SPEC, status }),
    ).toEqual([
      'status.conditions[0].status: Unsupported value: "Maybe": supported values: "True", "False", "Unknown"',
    ]);
  });

  it('is reached by HTTPS', () => {
    expect(make(APIServiceKind, { spec: { ...SPEC, service } }).spec!.service).toEqual({
      ...service,
      port: 443,
    });
  });

  it('is available at once where it is of this server', () => {
    const write = { identity: { name: 'a', groups: [] }, now: '2026-01-01T00:00:00Z', subresource: '' };
    const status = { conditions: [{ type: 'Available', status: 'False' }] };
    const local = make(APIServiceKind, { metadata, spec: SPEC, status });
    const remote = make(APIServiceKind, { metadata, spec: { ...SPEC, service }, status });
    for (const each of [local, remote]) APIServiceKind.strategy.prepareForCreate!(each, write);
    expect(remote.status).toEqual({});
    expect(local.status).toEqual({
      conditions: [
        {
          type: 'Available',
          status: 'True',
          lastTransitionTime: write.now,
          reason: 'Local',
          message: 'Local APIServices are always available',
        },
      ],
    });
  });

  it('keeps its labels when its status is written', () => {
    const write = { identity: { name: 'a', groups: [] }, now: '2026-01-01T00:00:00Z', subresource: 'status' };
    const next = make(APIServiceKind, { metadata: { ...metadata, labels: { a: 'b' } } });
    APIServiceKind.strategy.prepareForStatus!(next, make(APIServiceKind, { metadata }), write);
    expect(next.metadata.labels).toBeUndefined();
  });

  it('is printed with who serves it', () => {
    const kind = APIServiceKind as unknown as Kind;
    const header = 'Name|Service|Available|Age';
    const available = (status: string, reason?: string) => ({
      conditions: [{ type: 'Available', status, ...(reason && { reason }) }],
    });
    expectRow(kind, { metadata, spec: SPEC }, header, 'v1.a.b|Local|Unknown|24h');
    expectRow(kind, { spec: { service }, status: available('True', 'Passed') }, header, 'x|n/s|True|24h');
    expectRow(kind, { spec: { service }, status: available('False', 'No') }, header, 'x|n/s|False (No)|24h');
    expectRow(kind, { spec: { service }, status: available('False') }, header, 'x|n/s|False|24h');
  });
});
