import { beforeAll, expect, test } from 'vitest';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { keyHashOf } from '#machinery/pki/certificate.ts';
import { issueCertificate, makeAuthority } from '#machinery/pki/issue.ts';
import { seededRandom } from '#machinery/random.ts';
import { rotationStatus } from './authorities/plan.ts';
import { certificateRows, certificateTable, rotationTable } from './certificate-table.ts';

const DAY_MS = 24 * 3_600_000;
const clock = new VirtualClock();
const random = seededRandom(1);
let authority: Awaited<ReturnType<typeof makeAuthority>>;
let leaf: typeof authority;
beforeAll(async () => {
  authority = await makeAuthority('gantry-client-ca', 3650 * DAY_MS, clock, random);
  const subject = { commonName: 'system:node:n1', organizations: ['system:nodes'] };
  leaf = await issueCertificate(
    authority,
    { subject, usages: ['client'], lifetimeMs: 30 * DAY_MS },
    clock,
    random,
  );
});

const files = () => [
  { path: '/d/pki/node-n1.pem', text: `${leaf.key}\n${leaf.certificate}\n` },
  { path: '/d/pki/client-ca.crt', text: authority.certificate },
  { path: '/d/pki/odd.crt', text: 'nothing of that kind' },
];

test('every certificate is told with whom it is for, who signed it, and until when', () => {
  const rows = certificateRows(files(), clock.now());
  expect(certificateTable(rows)).toBe(`\
NAME        FOR                BY                 UNTIL                  LEFT
client-ca   gantry-client-ca   gantry-client-ca   2035-12-30T00:00:00Z   10y
node-n1     system:node:n1     gantry-client-ca   2026-01-31T00:00:00Z   30d
`);
  expect(rows[1]).toMatchObject({
    authority: false,
    keyHash: keyHashOf(leaf.certificate),
    leftMs: 30 * DAY_MS,
  });
});

test('one that has ended is told so', () => {
  const rows = certificateRows(files(), clock.now() + 31 * DAY_MS);
  expect(rows.map(({ leftMs }) => leftMs > 0)).toEqual([true, false]);
  expect(certificateTable(rows)).toMatch(/node-n1 .*<expired>\n/);
  expect(certificateTable([])).toContain('no certificates');
});

test('of each authority it is told what is done about it, from when, and who is waited for', () => {
  const state = { bundle: authority.certificate, phase: 'stable' as const };
  const nobody = { servers: [], nodes: [], namespaces: [], rootCas: [], tokens: [] };
  const nodes = [{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }];
  const at = { now: clock.now(), leafMs: 365 * DAY_MS };
  const authorities = [
    rotationStatus('client-ca', state, nobody, at),
    rotationStatus('server-ca', state, { ...nobody, nodes }, at),
  ];
  expect(rotationTable({ authorities, mode: 'auto' })).toBe(`\
AUTHORITY   PHASE    NEXT (auto)                       WAITS FOR
client-ca   stable   trust from 2033-12-29T23:59:00Z   <nobody>
server-ca   stable   trust from 2033-12-29T23:59:00Z   nodes n1
`);
  expect(rotationTable({ authorities, mode: 'manual' })).toContain('trust due 2033-12-29');
});
