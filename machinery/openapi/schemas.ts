/**
 * Types as OpenAPI schemas, in the dialects of version 2 (Swagger) and 3, with the x-kubernetes extensions that clients
 * read: kinds, list and map semantics, merge keys. Source: Kubernetes API conventions; OpenAPI 2.0 and 3.0.
 */
import type { Descriptions } from '../schema/load.ts';
import type {
  Field,
  JsonObject,
  Scalar,
  Schemas,
  StructType,
  UnionOther,
  ValueType,
} from '../schema/model.ts';

export type Dialect = 2 | 3;

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const CRD = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1';

/** What the parts of an object are, whatever its kind. */
const PARTS: Record<string, string> = {
  metadata: 'What all objects have: name, namespace, labels, annotations, owners and more.',
  spec: 'What is wanted.',
  status: 'What is so, as the cluster last saw it. Written by the cluster only.',
};

/** Leaves that have a named schema of their own, and their inline form otherwise. */
const NAMED: Partial<Record<Scalar, string>> = {
  time: `${META}.Time`,
  microTime: `${META}.MicroTime`,
  duration: `${META}.Duration`,
  fields: `${META}.FieldsV1`,
  quantity: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
  intOrString: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
  object: 'io.k8s.apimachinery.pkg.runtime.RawExtension',
  json: `${CRD}.JSON`,
};

const UNION_NAMES: Record<UnionOther, string> = {
  bool: `${CRD}.JSONSchemaPropsOrBool`,
  schemas: `${CRD}.JSONSchemaPropsOrArray`,
  strings: `${CRD}.JSONSchemaPropsOrStringArray`,
};

const LEAVES: Record<Scalar, JsonObject> = {
  string: { type: 'string' },
  bool: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
  time: {
    description: 'A time as RFC 3339 writes it, in whole seconds.',
    type: 'string',
    format: 'date-time',
  },
  microTime: {
    description: 'A time as RFC 3339 writes it, in microseconds.',
    type: 'string',
    format: 'date-time',
  },
  duration: { description: 'A duration as Go writes it, such as 1m30s.', type: 'string' },
  quantity: { description: 'A number with a suffix, such as 500m or 1Gi.', type: 'string' },
  intOrString: { description: 'A number or a string.', type: 'string', format: 'int-or-string' },
  object: { description: 'An object of any kind.', type: 'object' },
  json: { description: 'Any JSON value.' },
  fields: { description: 'A set of fields, as server-side apply keeps it.', type: 'object' },
};

/** Version 3 can say that a value is a number or a string. */
const LEAVES_3: Partial<Record<Scalar, JsonObject>> = {
  quantity: { ...without(LEAVES.quantity, 'type'), oneOf: [{ type: 'string' }, { type: 'number' }] },
  intOrString: {
    ...without(LEAVES.intOrString, 'type'),
    oneOf: [{ type: 'integer' }, { type: 'string' }],
  },
};

function without(object: JsonObject, name: string): JsonObject {
  const { [name]: _, ...rest } = object;
  return rest;
}

/** Collects the schemas of types and of all that they mention. */
export class SchemaCollector {
  readonly #dialect: Dialect;
  readonly #schemas: Schemas;
  readonly #descriptions: Descriptions;
  readonly #found = new Map<string, JsonObject>();

  constructor(dialect: Dialect, schemas: Schemas, descriptions: Descriptions) {
    this.#dialect = dialect;
    this.#schemas = schemas;
    this.#descriptions = descriptions;
  }

  /** A reference to the type, which is collected with all it mentions. Throws RangeError for an unknown type. */
  ref(name: string): JsonObject {
    if (!this.#found.has(name)) this.#add(this.#schemas.type(name));
    return this.#reference(name);
  }

  /** A reference to the list of a kind; made here when the tables have none. */
  listRef(name: string, gvk: JsonObject): JsonObject {
    const list = `${name}List`;
    if (this.#found.has(list)) return this.#reference(list);
    if (this.#schemas.names().includes(list)) return this.ref(list);
    const properties = {
      apiVersion: LEAVES.string,
      kind: LEAVES.string,
      metadata: this.ref(`${META}.ListMeta`),
      items: { type: 'array', items: this.ref(name) },
    };
    this.#found.set(list, {
      type: 'object',
      required: ['items'],
      properties,
      'x-kubernetes-group-version-kind': [{ ...gvk, kind: `${String(gvk['kind'])}List` }],
    });
    return this.#reference(list);
  }

  /** By name, sorted. */
  collected(): Record<string, JsonObject> {
    return Object.fromEntries([...this.#found].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #reference(name: string): JsonObject {
    return { $ref: `${this.#dialect === 2 ? '#/definitions/' : '#/components/schemas/'}${name}` };
  }

  #add(type: StructType): void {
    const schema: JsonObject = {};
    // Before its fields: types may contain themselves.
    this.#found.set(type.name, schema);
    const texts = this.#descriptions[type.name] ?? {};
    if (texts['']) schema['description'] = texts[''];
    schema['type'] = 'object';
    const fields = [...type.fields.values()];
    const required = fields.filter((field) => field.required).map((field) => field.name);
    if (required.length) schema['required'] = required.sort();
    if (fields.length)
      schema['properties'] = Object.fromEntries(
        fields.map((field) => [field.name, this.#field(field, texts[field.name])]),
      );
    if (type.gvk) schema['x-kubernetes-group-version-kind'] = [type.gvk];
    if (type.atomic) schema['x-kubernetes-map-type'] = 'atomic';
    if (type.preservesUnknown) schema['x-kubernetes-preserve-unknown-fields'] = true;
  }

  #field(field: Field, text: string | undefined): JsonObject {
    const schema = withEnum(this.#value(field.value), field);
    const extensions = extensionsOf(field);
    // A reference stands alone: what is said beside it goes around it.
    const base = '$ref' in schema && this.#dialect === 3 ? { allOf: [schema] } : schema;
    const description = text ?? this.#inherited(field);
    return { ...(description !== undefined && { description }), ...base, ...extensions };
  }

  /** A field without words of its own has those of its name or its type. */
  #inherited({ name, value }: Field): string | undefined {
    if (value.form !== 'struct') return undefined;
    return PARTS[name] ?? this.#descriptions[value.type.name]?.[''];
  }

  #value(value: ValueType): JsonObject {
    switch (value.form) {
      case 'scalar':
        return this.#scalar(value.scalar);
      case 'struct':
        return this.ref(value.type.name);
      case 'list':
        return { type: 'array', items: this.#value(value.of) };
      case 'map':
        return { type: 'object', additionalProperties: this.#value(value.of) };
      case 'union':
        return this.#named(UNION_NAMES[value.other], { description: 'A schema, or what stands for one.' });
    }
  }

  #scalar(scalar: Scalar): JsonObject {
    const schema = (this.#dialect === 3 ? LEAVES_3[scalar] : undefined) ?? LEAVES[scalar];
    const name = NAMED[scalar];
    return name === undefined ? schema : this.#named(name, schema);
  }

  #named(name: string, schema: JsonObject): JsonObject {
    this.#found.set(name, schema);
    return this.#reference(name);
  }
}

/** What a list allows is what each of its elements may be. */
function withEnum(schema: JsonObject, field: Field): JsonObject {
  if (!field.enum) return schema;
  if (field.value.form !== 'list') return { ...schema, enum: [...field.enum].sort() };
  return { ...schema, items: { ...(schema['items'] as JsonObject), enum: [...field.enum].sort() } };
}

function extensionsOf(field: Field): JsonObject {
  const { patch, list } = field;
  return {
    ...(field.default !== undefined && { default: field.default }),
    ...(list && { 'x-kubernetes-list-type': list.type }),
    ...(list?.type === 'map' && { 'x-kubernetes-list-map-keys': list.keys }),
    ...(field.atomic && { 'x-kubernetes-map-type': 'atomic' }),
    ...(patch?.mergeKey !== undefined && { 'x-kubernetes-patch-merge-key': patch.mergeKey }),
    ...(patch && { 'x-kubernetes-patch-strategy': patch.strategies.join(',') }),
  };
}
