import { X509Certificate } from 'node:crypto';
import { rfc3339 } from '#machinery/clock.ts';
import { keyHashOf, subjectOf, validityOf } from '#machinery/pki/certificate.ts';
import { pemBlocks } from '#machinery/pki/pem.ts';
import { humanDuration } from '#machinery/values/duration.ts';
import { formatTable } from '../table.ts';
import { laggingText, type RotationAnswer } from './authorities/plan.ts';

/** One certificate that lies on this machine. */
export interface CertificateRow {
  /** Its file, without the ending: `server`, `server-ca`. */
  name: string;
  file: string;
  /** Its common name. */
  for: string;
  /** The common name of the authority that signed it; of an authority its own. */
  by: string;
  until: string;
  leftMs: number;
  authority: boolean;
  /** Hex SHA-256 of its key. */
  keyHash: string;
}

/** Those in the files, in order: authorities first, each in the order of its file. What is no certificate is passed over. */
export function certificateRows(
  files: readonly { path: string; text: string }[],
  now: number,
): CertificateRow[] {
  const rows = files.flatMap(({ path, text }) =>
    pemBlocks(text)
      .filter(({ label }) => label === 'CERTIFICATE')
      .map(({ der }) => rowOf(path, der, now)),
  );
  return rows.sort((a, b) => Number(b.authority) - Number(a.authority));
}

function rowOf(file: string, der: Buffer, now: number): CertificateRow {
  const certificate = new X509Certificate(der);
  const { untilMs } = validityOf(der);
  return {
    name: file.slice(file.lastIndexOf('/') + 1).replace(/\.[a-z]+$/, ''),
    file,
    for: subjectOf(der)?.commonName ?? '',
    by: /(?:^|\n)CN=(.*)/.exec(certificate.issuer)?.[1] ?? '',
    until: rfc3339(untilMs),
    leftMs: untilMs - now,
    authority: certificate.ca,
    keyHash: keyHashOf(der),
  };
}

export function certificateTable(rows: readonly CertificateRow[]): string {
  if (rows.length === 0) return 'no certificates: this machine is in no cluster\n';
  const cells = rows.map((row) => [row.name, row.for, row.by, row.until, leftText(row.leftMs)]);
  return formatTable([['NAME', 'FOR', 'BY', 'UNTIL', 'LEFT'], ...cells]);
}

/** What is done about each authority, and from when. */
export function rotationTable({ authorities, mode }: RotationAnswer): string {
  const rows = authorities.map(({ name, phase, next, waitsFor }) => [
    ...[name, phase, `${next.step} ${mode === 'auto' ? 'from' : 'due'} ${next.at}`],
    ...[laggingText(waitsFor) ?? '<nobody>'],
  ]);
  return formatTable([['AUTHORITY', 'PHASE', `NEXT (${mode})`, 'WAITS FOR'], ...rows]);
}

function leftText(leftMs: number): string {
  return leftMs > 0 ? humanDuration(leftMs) : '<expired>';
}
