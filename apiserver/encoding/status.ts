/** What an answer says beside its object: errors in the client's format, and warnings. */
import type { StatusError } from '#machinery/errors.ts';
import type { Formats } from './formats.ts';
import { CONTENT_TYPES, formatOf, PLAIN } from './negotiate.ts';
import { type Rendered, renderValue } from './render.ts';

/** A Status in the format that the client asks for; JSON when it asks for none of ours. */
export function renderStatus(error: StatusError, accept: string | undefined, formats: Formats): Rendered {
  const format = formatOf(accept);
  if (format !== 'json') return renderValue(error.status(), { ...PLAIN, format }, formats);
  return { contentType: CONTENT_TYPES.json, body: Buffer.from(`${JSON.stringify(error.status())}\n`) };
}

/** All warnings together, and each of them once they are too many; in characters. Source: kube-apiserver's warning filter. */
const WARNINGS_LENGTH = 4096;
const WARNING_LENGTH = 256;

/** Source: RFC 9110 section 5.5 of warnings in Kubernetes: code 299, agent `-`, the text quoted. */
export function warningHeader(warnings: readonly string[]): string {
  let texts = [...new Set(warnings)];
  const total = texts.reduce((sum, { length }) => sum + length, 0);
  if (total > WARNINGS_LENGTH)
    texts = texts.slice(0, WARNINGS_LENGTH / WARNING_LENGTH).map((text) => text.slice(0, WARNING_LENGTH));
  return texts
    .map((text) => `299 - "${text.replace(/[^\x20-\x7e]/g, ' ').replace(/["\\]/g, '\\$&')}"`)
    .join(', ');
}
