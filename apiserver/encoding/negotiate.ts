/** Content negotiation. Source: RFC 9110 section 12.5; Kubernetes API concepts, "Alternate representations". */
import { StatusError } from '#machinery/errors.ts';

export interface MediaType {
  type: string;
  parameters: Record<string, string>;
}

/** How an answer is to look. */
export interface Rendering {
  format: 'json' | 'yaml' | 'protobuf';
  /** Table and PartialObjectMetadata are other shapes of the same objects. */
  shape: 'object' | 'table' | 'partial';
  /** Version of meta.k8s.io for the two shapes. */
  metaVersion: 'v1' | 'v1beta1';
  pretty: boolean;
}

const FORMATS: ReadonlyMap<string, Rendering['format']> = new Map([
  ['application/json', 'json'],
  ['application/*', 'json'],
  ['*/*', 'json'],
  ['application/yaml', 'yaml'],
  ['application/vnd.kubernetes.protobuf', 'protobuf'],
]);

export const CONTENT_TYPES: Record<Rendering['format'], string> = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: 'application/vnd.kubernetes.protobuf',
};

const SHAPES: ReadonlyMap<string, Rendering['shape']> = new Map([
  ['Table', 'table'],
  ['PartialObjectMetadata', 'partial'],
  ['PartialObjectMetadataList', 'partial'],
]);

export const PLAIN: Rendering = { format: 'json', shape: 'object', metaVersion: 'v1', pretty: false };

/** The clauses of an Accept header, best first. */
export function parseAccept(header: string): MediaType[] {
  const clauses = header.split(',').map((clause) => parseMediaType(clause));
  const quality = (clause: MediaType) =>
    clause.parameters['q'] === undefined ? 1 : Number(clause.parameters['q']);
  return clauses
    .filter((clause) => clause.type && quality(clause) > 0)
    .sort((a, b) => quality(b) - quality(a));
}

export function parseMediaType(text: string): MediaType {
  const [type = '', ...rest] = text.split(';');
  const parameters: Record<string, string> = {};
  for (const part of rest) {
    const equals = part.indexOf('=');
    if (equals > 0)
      parameters[part.slice(0, equals).trim().toLowerCase()] = part
        .slice(equals + 1)
        .trim()
        .replace(/^"|"$/g, '');
  }
  return { type: type.trim().toLowerCase(), parameters };
}

const REMEMBERED = new Map<string, Rendering | undefined>();
const REMEMBERED_LIMIT = 256;

/** The first clause of `accept` the server can answer; NotAcceptable (406) when there is none. */
export function negotiate(accept: string | undefined, pretty = false): Rendering {
  if (!accept) return pretty ? { ...PLAIN, pretty } : PLAIN;
  let found = REMEMBERED.get(accept);
  if (!found) {
    found = choose(accept);
    if (!found)
      throw new StatusError(
        'NotAcceptable',
        `only the following media types are accepted: ${Object.values(CONTENT_TYPES).join(', ')}`,
      );
    if (REMEMBERED.size >= REMEMBERED_LIMIT) REMEMBERED.clear();
    REMEMBERED.set(accept, found);
  }
  return pretty ? { ...found, pretty } : found;
}

/** The format of what is always answered, whatever the client accepts: errors. */
export function formatOf(accept: string | undefined): Rendering['format'] {
  return (accept ? choose(accept)?.format : undefined) ?? 'json';
}

function choose(accept: string): Rendering | undefined {
  for (const { type, parameters } of parseAccept(accept)) {
    const format = FORMATS.get(type);
    if (!format) continue;
    const as = parameters['as'];
    if (as === undefined) return { ...PLAIN, format };
    const shape = SHAPES.get(as);
    const version = parameters['v'];
    if (!shape || parameters['g'] !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1')) continue;
    return { ...PLAIN, format, shape, metaVersion: version };
  }
  return undefined;
}
