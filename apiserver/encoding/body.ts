/** Bodies of requests. */
import { StatusError } from '#machinery/errors.ts';
import type { TransportRequest } from '#machinery/transport.ts';
import type { Decoded, FieldValidation, Formats } from './formats.ts';
import { CONTENT_TYPES, parseMediaType } from './negotiate.ts';

/** Source: Kubernetes apiserver, the limit of a request's body. */
export const BODY_LIMIT_BYTES = 3 * 1024 * 1024;

/** Whether the body names its type; kubectl's DELETE may send none. */
export function hasBody(request: TransportRequest): boolean {
  return request.body !== undefined && request.body.length > 0;
}

export function bodyText(request: TransportRequest): string {
  const { body } = request;
  if (!body) return '';
  if (body.length > BODY_LIMIT_BYTES) throw tooLarge();
  return Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8');
}

export function tooLarge(): StatusError {
  return new StatusError('RequestEntityTooLarge', `Request entity too large: limit is ${BODY_LIMIT_BYTES}`);
}

/** The object in a body of JSON (when no type is given), YAML or protobuf. UnsupportedMediaType (415) for others. */
export function decodeBody(
  request: TransportRequest,
  schema: string,
  validation: FieldValidation,
  formats: Formats,
): Decoded {
  const { type } = parseMediaType(request.headers['content-type'] ?? 'application/json');
  switch (type) {
    case '':
    case '*/*':
    case 'application/json':
      return formats.fromJson(bodyText(request), schema, validation);
    case 'application/yaml':
      return formats.fromYaml(bodyText(request), schema, validation);
    case 'application/vnd.kubernetes.protobuf':
      if ((request.body?.length ?? 0) > BODY_LIMIT_BYTES) throw tooLarge();
      return formats.fromProtobuf(request.body ?? new Uint8Array());
    default:
      throw unknownFormat();
  }
}

export function unknownFormat(): StatusError {
  return new StatusError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${Object.values(CONTENT_TYPES).join(', ')}`,
  );
}

/** Source: Kubernetes API concepts, "Field validation": Warn unless asked otherwise. */
export function fieldValidationOf(query: URLSearchParams): FieldValidation {
  const asked = query.get('fieldValidation');
  return asked === 'Strict' || asked === 'Ignore' ? asked : 'Warn';
}
