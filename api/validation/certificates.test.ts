import { describe, expect, it } from 'vitest';
import type { Write } from '../kind.ts';
import { CertificateSigningRequestKind } from '../kinds/certificate-signing-request.ts';
import type { CertificateSigningRequest } from '../objects.ts';
import { PEM_REQUEST } from '../specimens/certificates.ts';
import { faultText } from './fault-text.ts';

const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBeDCCAR+gAwIBAgIUeV0Akd/VCPTDarfzfuOOY1Q0ZrEwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGaXNzdWVkMCAXDTI2MTEyNzIyMjY0MVoYDzIxMjYxMTAzMjIy
NjQxWjARMQ8wDQYDVQQDDAZpc3N1ZWQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AATvKbRmQ4WF0a+zjIr4QCb5buVc5SemxJ3cnyXqSZmSJjTrKg0hI9RUeBsRBIv+
DluhqunJWIsqTVamw4N2/amvo1MwUTAdBgNVHQ4EFgQUxgOFJqANmfq3vyuxa/Vz
0eth86YwHwYDVR0jBBgwFoAUxgOFJqANmfq3vyuxa/Vz0eth86YwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBZuXnxxxqJ5xRu8U07nx9milAbQ8NI
pew4uGd+/YoAdQIgcgBs+Fc6ZPKY2aJ7yqb03JwivylhrlsJVnhWPay0Zyg=
-----END CERTIFICATE-----
`;

type Parts = Record<string, unknown>;
const { strategy, columns } = CertificateSigningRequestKind;
const base64 = (text: string) => Buffer.from(text).toString('base64');
const request = base64(PEM_REQUEST);
const SPEC = { request, signerName: 'example.com/a', usages: ['client auth'] };

function make(spec: Parts = {}, status?: Parts): CertificateSigningRequest {
  return structuredClone({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'x' },
    spec: { ...SPEC, ...spec },
    ...(status && { status }),
  }) as CertificateSigningRequest;
}

const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const USAGES =
  '"any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"';
const long = `${'a'.repeat(60)}.`.repeat(5);

/** [the wrong parts of the spec, the faults]. */
const WRONG: [Parts, string[]][] = [
  [
    { request: base64('x') },
    [`spec.request: Invalid value: "${base64('x')}": PEM block type must be CERTIFICATE REQUEST`],
  ],
  [{ usages: [] }, ['spec.usages: Required value']],
  [
    { usages: ['client auth', 'fly', 'client auth'] },
    [
      `spec.usages[1]: Unsupported value: "fly": supported values: ${USAGES}`,
      'spec.usages[2]: Duplicate value: "client auth"',
    ],
  ],
  [
    { signerName: 'kubernetes.io/legacy-unknown' },
    [
      'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version',
    ],
  ],
  [{ signerName: '' }, ['spec.signerName: Required value']],
  ...['example.com', 'a.b/c/d'].map((signerName): [Parts, string[]] => [
    { signerName },
    [
      `spec.signerName: Invalid value: "${signerName}": must be a fully qualified domain and path of the form 'example.com/signer-name'`,
    ],
  ]),
  [
    { signerName: 'B/_' },
    [
      `spec.signerName: Invalid value: "B": validating label "B": ${LABEL}`,
      'spec.signerName: Invalid value: "B": should be a domain with at least two segments separated by dots',
      expect.stringMatching(
        /^spec.signerName: Invalid value: "_": validating label "_": a lowercase RFC 1123 subdomain/,
      ),
    ] as string[],
  ],
  [
    { signerName: `${long}com/${long}${long}b` },
    [
      'spec.signerName: Too long: may not be more than 253 bytes',
      'spec.signerName: Too long: may not be more than 571 bytes',
    ],
  ],
  [
    { expirationSeconds: 599 },
    [
      'spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)',
    ],
  ],
  [{ expirationSeconds: 600 }, []],
];

describe('a request', () => {
  it.each(WRONG.map(([spec, faults]) => ({ spec, faults })))('is refused: $faults.0', ({ spec, faults }) => {
    expect(strategy.validate(make(spec)).map(faultText)).toEqual(faults);
  });

  it('is of who made it, whatever it says, and not decided', () => {
    const made = make(
      { username: 'me', groups: ['system:masters'], extra: { a: ['b'] } },
      { certificate: 'x' },
    );
    strategy.prepareForCreate!(made, {
      identity: { name: 'ann', uid: '7', groups: ['dev'], extra: { 'x/y': ['z'] } },
      now: NOW,
      subresource: '',
    });
    expect(made.spec).toEqual({
      ...SPEC,
      username: 'ann',
      uid: '7',
      groups: ['dev'],
      extra: { 'x/y': ['z'] },
    });
    expect(made.status).toEqual({});
  });

  it('keeps its spec', () => {
    const changed = make({ signerName: 'example.com/b' });
    strategy.prepareForUpdate!(changed, make());
    expect(changed.spec).toEqual(SPEC);
  });

  it('is printed with what it asks for and how far it is', () => {
    const text = (object: CertificateSigningRequest) => columns.map((each) => each.cell(object, 0)).join('|');
    expect(columns.map(({ name }) => name).join('|')).toBe(
      'Name|Age|SignerName|Requestor|RequestedDuration|Condition',
    );
    expect(text(make({ username: 'ann' }))).toBe('x|<unknown>|example.com/a|ann|<none>|Pending');
    const failed = [condition('Approved'), condition('Failed')];
    expect(text(make({ expirationSeconds: 86_400 }, { conditions: failed }))).toBe(
      'x|<unknown>|example.com/a||24h|Approved,Failed',
    );
    expect(text(make({}, { conditions: [condition('Denied')] }))).toMatch(/\|Denied$/);
    expect(text(make({}, { conditions: [condition('Approved')], certificate: 'x' }))).toMatch(
      /\|Approved,Issued$/,
    );
  });
});

const NOW = '2026-01-01T00:00:00Z';
const BEFORE = '2025-01-01T00:00:00Z';

function condition(type: string, status = 'True', more: Parts = {}): Parts {
  return { type, status, lastUpdateTime: BEFORE, lastTransitionTime: BEFORE, ...more };
}

/** Faults of a write to the subresource that turns the status of before into another. */
function write(subresource: string, before: Parts, after: Parts): { faults: string[]; status: unknown } {
  const old = make({}, before);
  const next = make({}, after);
  const by: Write = { identity: { name: 'ann', groups: [] }, now: NOW, subresource };
  strategy.prepareForStatus!(next, old, by);
  return { faults: strategy.validateStatus!(next, old, subresource).map(faultText), status: next.status };
}

const FIELD = 'status.conditions';
const approved = condition('Approved');
const certificate = base64(CERTIFICATE);
const pem = (label: string, inside: string) =>
  base64(`-----BEGIN ${label}-----\n${inside}\n-----END ${label}-----\n`);

/** [the subresource, the status before, the one after, the faults]. */
const CHANGES: [string, Parts, Parts, string[]][] = [
  ['approval', {}, { conditions: [approved] }, []],
  [
    'approval',
    {},
    { conditions: [{ type: '', status: '' }, condition('Other', 'Maybe'), condition('Failed', 'False')] },
    [
      `${FIELD}[0].type: Required value`,
      `${FIELD}[0].status: Required value`,
      `${FIELD}[1].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"`,
      `${FIELD}[2].status: Unsupported value: "False": supported values: "True"`,
    ],
  ],
  [
    'approval',
    {},
    { conditions: [approved, condition('Denied'), condition('Denied')] },
    [
      `${FIELD}[1].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive`,
      `${FIELD}[2].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive`,
      `${FIELD}[2].type: Duplicate value: "Denied"`,
    ],
  ],
  [
    'approval',
    { conditions: [approved] },
    { conditions: [] },
    [`${FIELD}: Forbidden: updates may not remove a condition of type "Approved"`],
  ],
  [
    'status',
    {},
    { conditions: [approved] },
    [`${FIELD}: Forbidden: updates may not add a condition of type "Approved"`],
  ],
  ['status', { conditions: [approved] }, { conditions: [approved], certificate }, []],
  [
    'status',
    { certificate },
    {},
    ['status.certificate: Forbidden: updates may not modify existing certificate content'],
  ],
  ...(
    [
      [base64('none'), 'must contain at least one CERTIFICATE PEM block'],
      [request, 'only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"'],
      [pem('CERTIFICATE', 'a: b\n\nAAAA'), 'no PEM block headers are permitted'],
      [pem('CERTIFICATE', 'AAAA'), 'x509: malformed certificate'],
    ] as const
  ).map(([wrong, why]): [string, Parts, Parts, string[]] => [
    'status',
    {},
    { certificate: wrong },
    [`status.certificate: Invalid value: "<certificate data>": ${why}`],
  ]),
];

describe('a decision', () => {
  it.each(CHANGES.map(([subresource, before, after, faults]) => ({ subresource, before, after, faults })))(
    'by $subresource: $faults.0',
    ({ subresource, before, after, faults }) => {
      expect(write(subresource, before, after).faults).toEqual(faults);
    },
  );

  it('writes conditions only, with the times they have or get', () => {
    const before = { certificate, conditions: [condition('Failed'), condition('Other', 'False')] };
    const timeless = { lastUpdateTime: undefined, lastTransitionTime: undefined };
    const after = {
      conditions: [
        condition('Failed', 'True', timeless),
        condition('Other', 'True', timeless),
        condition('Approved', 'True', timeless),
      ],
    };
    expect(write('approval', before, after)).toEqual({
      faults: [],
      status: {
        certificate,
        conditions: [
          condition('Failed', 'True', { lastUpdateTime: NOW }),
          condition('Other', 'True', { lastUpdateTime: NOW, lastTransitionTime: NOW }),
          condition('Approved', 'True', { lastUpdateTime: NOW, lastTransitionTime: NOW }),
        ],
      },
    });
  });

  it('is not the signer’s to change', () => {
    const before = { conditions: [condition('Approved', 'True', { message: 'by ann' })] };
    const after = { conditions: [condition('Approved', 'True', { message: 'by me' })], certificate };
    expect(write('status', before, after)).toEqual({ faults: [], status: { ...before, certificate } });
  });
});
