/**
 * The version 2 document in the protobuf form that Go clients ask for, and kubectl up to 1.28 insists on.
 * Source: the public OpenAPIv2.proto of gnostic (message and field numbers).
 */
import { WIRE, Writer } from '../protobuf/wire.ts';
import { isObject, type JsonObject } from '../schema/model.ts';

/** The Content-Type of the answer. */
export const OPENAPI_V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/** Clients ask with `@`, which no Content-Type may have, or with a dot as we answer. */
const ASKED = /application\/com\.github\.proto-openapi\.spec\.v2[@.]v1\.0\+protobuf/;

/** Whether an Accept header asks for this form. */
export function acceptsOpenApiV2Protobuf(accept: string | undefined): boolean {
  return accept !== undefined && ASKED.test(accept);
}

/** The JSON document of openApiV2Document as bytes. */
export function encodeOpenApiV2(document: JsonObject): Uint8Array {
  const writer = new Writer();
  write(writer, document, DOCUMENT);
  return writer.finish();
}

/** How the value of a member is written under its number. */
type Put = (writer: Writer, number: number, value: unknown) => void;

/** A message by its members; those starting with x- become vendor extensions under `extensions`. */
interface Shape {
  /** In the order of the numbers. */
  members: [name: string, number: number, put: Put][];
  extensions?: number;
}

function write(writer: Writer, object: JsonObject, shape: Shape): void {
  if (shape.extensions !== undefined)
    for (const [name, value] of Object.entries(object).reverse())
      if (name.startsWith('x-')) named(any)(writer, shape.extensions, [name, value]);
  for (let at = shape.members.length - 1; at >= 0; at--) {
    const [name, number, put] = shape.members[at]!;
    if (object[name] !== undefined) put(writer, number, object[name]);
  }
}

const string: Put = (writer, number, value) => {
  const since = writer.length;
  writer.string(String(value));
  writer.close(number, since);
};

const boolean: Put = (writer, number, value) => {
  writer.varint(value ? 1 : 0);
  writer.tag(number, WIRE.varint);
};

/** Any value: its YAML text, which JSON is too. */
const any: Put = (writer, number, value) => {
  const since = writer.length;
  string(writer, 2, JSON.stringify(value));
  writer.close(number, since);
};

const message =
  (shape: () => Shape): Put =>
  (writer, number, value) => {
    const since = writer.length;
    write(writer, value as JsonObject, shape());
    writer.close(number, since);
  };

/** A message around the message: the choices of a oneof. */
const within =
  (inner: number, put: Put): Put =>
  (writer, number, value) => {
    const since = writer.length;
    put(writer, inner, value);
    writer.close(number, since);
  };

const each =
  (put: Put): Put =>
  (writer, number, value) => {
    const values = value as unknown[];
    for (let at = values.length - 1; at >= 0; at--) put(writer, number, values[at]);
  };

/** A pair of a name and a value. */
const named =
  (put: Put): Put =>
  (writer, number, pair) => {
    const [name, value] = pair as [string, unknown];
    const since = writer.length;
    put(writer, 2, value);
    string(writer, 1, name);
    writer.close(number, since);
  };

/** The members of an object as a message of pairs under `inner`. */
const pairs = (inner: number, put: Put): Put =>
  within(inner, (writer, number, value) =>
    each(named(put))(writer, number, Object.entries(value as JsonObject)),
  );

/** A list inside a message of its own; a single value counts as a list of one. */
const listWithin = (inner: number, put: Put): Put =>
  within(inner, (writer, number, value) => each(put)(writer, number, Array.isArray(value) ? value : [value]));

const schema = message(() => SCHEMA);

const SCHEMA: Shape = {
  members: [
    ['$ref', 1, string],
    ['format', 2, string],
    ['description', 4, string],
    ['default', 5, any],
    ['required', 19, each(string)],
    ['enum', 20, each(any)],
    ['additionalProperties', 21, within(1, schema)],
    ['type', 22, listWithin(1, string)],
    ['items', 23, listWithin(1, schema)],
    ['properties', 25, pairs(1, schema)],
  ],
  extensions: 31,
};

const BODY_PARAMETER: Shape = {
  members: [
    ['description', 1, string],
    ['name', 2, string],
    ['in', 3, string],
    ['required', 4, boolean],
    ['schema', 5, schema],
  ],
};

const QUERY_PARAMETER: Shape = {
  members: [
    ['in', 2, string],
    ['description', 3, string],
    ['name', 4, string],
    ['type', 6, string],
  ],
};

const PATH_PARAMETER: Shape = {
  members: [
    ['required', 1, boolean],
    ['in', 2, string],
    ['description', 3, string],
    ['name', 4, string],
    ['type', 5, string],
  ],
};

/** A parameter stands in three messages: item, parameter, and body or not. */
const parameter: Put = (writer, number, value) => {
  const where = isObject(value) ? value['in'] : undefined;
  const put =
    where === 'body'
      ? within(
          1,
          within(
            1,
            message(() => BODY_PARAMETER),
          ),
        )
      : within(
          1,
          within(
            2,
            where === 'query'
              ? within(
                  3,
                  message(() => QUERY_PARAMETER),
                )
              : within(
                  4,
                  message(() => PATH_PARAMETER),
                ),
          ),
        );
  put(writer, number, value);
};

const RESPONSE: Shape = {
  members: [
    ['description', 1, string],
    ['schema', 2, within(1, schema)],
  ],
};

const OPERATION: Shape = {
  members: [
    ['operationId', 5, string],
    ['produces', 6, each(string)],
    ['consumes', 7, each(string)],
    ['parameters', 8, each(parameter)],
    [
      'responses',
      9,
      pairs(
        1,
        within(
          1,
          message(() => RESPONSE),
        ),
      ),
    ],
  ],
  extensions: 13,
};

const operation = message(() => OPERATION);

const PATH_ITEM: Shape = {
  members: [
    ['get', 2, operation],
    ['put', 3, operation],
    ['post', 4, operation],
    ['delete', 5, operation],
    ['patch', 8, operation],
    ['parameters', 9, each(parameter)],
  ],
};

const INFO: Shape = {
  members: [
    ['title', 1, string],
    ['version', 2, string],
  ],
};

const DOCUMENT: Shape = {
  members: [
    ['swagger', 1, string],
    ['info', 2, message(() => INFO)],
    [
      'paths',
      8,
      pairs(
        2,
        message(() => PATH_ITEM),
      ),
    ],
    ['definitions', 9, pairs(1, schema)],
  ],
};
