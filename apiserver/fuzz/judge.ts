/** What is wrong with an answer, in words; undefined when nothing is. */
import { decodeProtobuf } from '#machinery/protobuf/envelope.ts';
import { isObject, type JsonObject, type Schemas } from '#machinery/schema/model.ts';
import type { TransportRequest } from '#machinery/transport.ts';
import { parseYamlObject } from '#machinery/yaml.ts';
import type { Operation } from './surface.ts';

/** An answer that was read whole, or its beginning when it is a stream. */
export interface Answer {
  status: number;
  headers: Readonly<Record<string, string>>;
  bytes: Buffer;
}

export function faultOf(
  operation: Operation,
  request: TransportRequest,
  answer: Answer,
  schemas: Schemas,
): string | undefined {
  const { status, headers, bytes } = answer;
  if (!Number.isInteger(status) || status < 200 || status > 599) return `the status is ${status}`;
  for (const [name, value] of Object.entries(headers)) {
    if (/[\0\r\n]/.test(value)) return `the header ${name} holds control characters`;
    if (value.length > 8192) return `the header ${name} has ${value.length} characters`;
  }
  if (status < 400) return undefined;
  if (request.method === 'HEAD') return undefined;
  const object = statusIn(answer, schemas);
  if (typeof object === 'string') return object;
  const { apiVersion, kind, reason, message, code, details } = object;
  if (apiVersion !== 'v1' || kind !== 'Status' || object['status'] !== 'Failure')
    return `the body of a ${status} is no Status of a failure: ${bytes.toString().slice(0, 300)}`;
  if (typeof message !== 'string' || !message) return `the Status of a ${status} has no message`;
  if (status === 500 && UNTYPED.test(message)) return undefined;
  if (typeof reason !== 'string' || !reason) return `the Status of a ${status} has no reason`;
  if (code !== status) return `the Status says ${String(code)}, the answer ${status}`;
  if (status >= 500 && !mayFail(operation, object)) return `${status} ${reason}: ${message.slice(0, 500)}`;
  return status === 422 ? causesFault(message, isObject(details) ? details['causes'] : undefined) : undefined;
}

/** A configuration to apply that is not of its type: Kubernetes has no reason and no better code for it. */
const UNTYPED = /^failed to create typed patch object /;

/** A failed JSON patch has no causes in Kubernetes either: it is about no field. */
const WITHOUT_CAUSES = 'the server rejected our request due to an error in our request';

function causesFault(message: string, causes: unknown): string | undefined {
  if (message.startsWith(WITHOUT_CAUSES)) return undefined;
  if (!Array.isArray(causes) || causes.length === 0) return `a 422 without causes: ${message.slice(0, 300)}`;
  const bad = causes.find((cause) => !isObject(cause) || !cause['field'] || !cause['reason']);
  return bad === undefined ? undefined : `a cause without field or reason: ${JSON.stringify(bad)}`;
}

/** Answers of 5xx that Kubernetes gives too: a version that is still to come, and nodes that are not there. */
function mayFail({ action }: Operation, { details, reason }: JsonObject): boolean {
  if (reason === 'ServiceUnavailable' && action === 'connect') return true;
  const causes = isObject(details) && Array.isArray(details['causes']) ? details['causes'] : [];
  return causes.some((cause) => isObject(cause) && cause['reason'] === 'ResourceVersionTooLarge');
}

function statusIn({ headers, bytes, status }: Answer, schemas: Schemas): JsonObject | string {
  const type = headers['content-type'] ?? '';
  if (type.includes('protobuf'))
    return decodeProtobuf(bytes, schemas.type('io.k8s.apimachinery.pkg.apis.meta.v1.Status'));
  if (type === 'application/yaml') return parseYamlObject(bytes.toString());
  if (!type.startsWith('application/json')) return `a ${status} of type "${type}"`;
  const value = parsed(bytes);
  return isObject(value)
    ? value
    : `the body of a ${status} is no JSON object: ${bytes.toString().slice(0, 200)}`;
}

/** The JSON value in bytes; undefined when it is none. */
export function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
