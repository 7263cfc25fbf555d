import { apiVersionOf, type Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { StatusError } from '#machinery/errors.ts';
import { applyServerSide } from '#machinery/patch/apply.ts';
import { undeclared } from '#machinery/patch/declared.ts';
import { applyJsonPatch } from '#machinery/patch/json-patch.ts';
import { applyMergePatch } from '#machinery/patch/merge.ts';
import { applyStrategicMergePatch } from '#machinery/patch/strategic.ts';
import { decodeProtobuf, encodeProtobuf, readEnvelope } from '#machinery/protobuf/envelope.ts';
import { isTooDeep } from '#machinery/schema/conform.ts';
import { decodeJson, decodeParsed, type Refuse } from '#machinery/schema/decode.ts';
import { isObject, type JsonObject, type Schemas, type StructType } from '#machinery/schema/model.ts';
import { goKind } from '#machinery/values/go-text.ts';
import { jsonFault } from '#machinery/values/json-fault.ts';
import { formatYaml, parseYamlObject, YamlError } from '#machinery/yaml.ts';
import type { ApplyOptions, Decoded, FieldValidation, Formats, OpenApi, PatchType } from './formats.ts';
import { conversionFault, refusePatched, refuseStrategic } from './patch-faults.ts';

/** The formats of the Kubernetes wire, by the generated schemas. */
export function wireFormats(schemas: Schemas, openapi: OpenApi): Formats {
  return new WireFormats(schemas, openapi);
}

const META_KINDS = new Set(['DeleteOptions', 'Status']);

class WireFormats implements Formats {
  readonly #schemas: Schemas;
  readonly openapi: OpenApi;

  constructor(schemas: Schemas, openapi: OpenApi) {
    this.#schemas = schemas;
    this.openapi = openapi;
  }

  fromJson(text: string, schema: string, validation: FieldValidation): Decoded {
    return decoded(decodeJson(text, this.#schemas.type(schema), validation));
  }

  fromYaml(text: string, schema: string, validation: FieldValidation): Decoded {
    return decoded(decodeParsed(readYaml(text), this.#schemas.type(schema), validation));
  }

  fromApplied(text: string, kind: Kind, validation: FieldValidation): Decoded {
    const config = readYaml(text);
    refuseApplied(config, kind, this.#schemas.type(kind.schema));
    return decoded(decodeParsed(config, this.#schemas.type(kind.schema), validation));
  }

  fromProtobuf(bytes: Uint8Array): Decoded {
    const envelope = readEnvelope(bytes);
    const type = this.#typeOf(envelope.apiVersion, envelope.kind);
    if (!type)
      throw new StatusError(
        'BadRequest',
        `no kind ${JSON.stringify(envelope.kind)} is registered for version ${JSON.stringify(envelope.apiVersion)}`,
      );
    return decoded({ object: decodeProtobuf(envelope, type), warnings: [] });
  }

  toProtobuf(object: object): Uint8Array | undefined {
    const { apiVersion, kind } = object as ApiObject;
    const type = this.#typeOf(apiVersion, kind);
    return type && encodeProtobuf(object as JsonObject, type);
  }

  #typeOf(apiVersion: string, kind: string): StructType | undefined {
    const slash = apiVersion.indexOf('/');
    // Every group version has DeleteOptions and its like: they are types of meta/v1 wherever they stand.
    if (META_KINDS.has(kind)) return this.#schemas.type(`io.k8s.apimachinery.pkg.apis.meta.v1.${kind}`);
    return this.#schemas.kind(apiVersion.slice(0, Math.max(0, slash)), apiVersion.slice(slash + 1), kind);
  }

  toYaml(object: object): string {
    return formatYaml(object);
  }

  parsePatch(text: string, type: PatchType): unknown {
    let patch: unknown;
    try {
      patch = JSON.parse(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw undecodedPatch(type, jsonFault(text, error));
    }
    if (isTooDeep(patch)) throw undecodedPatch(type, 'exceeded max depth');
    return patch;
  }

  patch(
    kind: Kind,
    type: PatchType,
    current: ApiObject,
    patch: unknown,
    validation: FieldValidation,
  ): Decoded {
    const schema = this.#schemas.type(kind.schema);
    const document = current as unknown as JsonObject;
    const patched = patchedBy(type, document, patch, schema);
    const refuse: Refuse = (...fault) => {
      const words = type === 'strategic' ? refuseStrategic(patch as JsonObject) : refusePatched(patched);
      return words(...fault);
    };
    const otherType = patchedType(kind, patched);
    if (otherType && type !== 'strategic') throw refuse(schema, otherType);
    patched['apiVersion'] = apiVersionOf(kind);
    patched['kind'] = kind.kind;
    // What the patch leaves alone is shared with the document, and decoding changes in place.
    const result = type === 'json' ? patched : structuredClone(patched);
    const next = decoded(decodeParsed(result, schema, validation, refuse));
    // The patch may have taken it away.
    next.object.metadata ??= { name: current.metadata.name };
    return next;
  }

  apply(kind: Kind, current: ApiObject | undefined, applied: ApiObject, options: ApplyOptions): ApiObject {
    const object = applyServerSide(
      current as JsonObject | undefined,
      applied as unknown as JsonObject,
      this.#schemas.type(kind.schema),
      {
        manager: options.fieldManager,
        force: options.force,
        subresource: options.subresource,
        resets: options.resets,
        time: options.time,
      },
    );
    return object as unknown as ApiObject;
  }
}

function patchedBy(type: PatchType, document: JsonObject, patch: unknown, schema: StructType): JsonObject {
  if (type === 'json') return applyJsonPatch(document, patch);
  if (!isObject(patch))
    throw undecodedPatch(
      type,
      `json: cannot unmarshal ${goKind(patch)} into Go value of type map[string]interface {}`,
    );
  return type === 'merge'
    ? applyMergePatch(document, patch)
    : applyStrategicMergePatch(document, patch, schema);
}

/** Kubernetes has no reason and no better status for a configuration that is not of its type. */
function refuseApplied(config: JsonObject, kind: Kind, type: StructType): void {
  const { apiVersion, metadata } = config;
  if (apiVersion !== apiVersionOf(kind))
    throw new StatusError(
      'BadRequest',
      `Incorrect version specified in apply patch. Specified patch version: ${apiVersion ?? ''}, expected: ${apiVersionOf(kind)}`,
    );
  const faults = undeclared(config, type);
  if (faults.length === 0) return;
  const { name = '', namespace = '' } = (isObject(metadata) ? metadata : {}) as Record<string, string>;
  const object = `${namespace}/${name}; ${kind.group}/${kind.version}, Kind=${kind.kind}`;
  const why = faults.length === 1 ? faults[0] : `errors:\n  ${faults.join('\n  ')}`;
  throw new StatusError('Unknown', `failed to create typed patch object (${object}): ${why}`);
}

/** Why what a patch has made is of another type than before; undefined when it is not. */
function patchedType(kind: Kind, { apiVersion, kind: name, ...rest }: JsonObject): string | undefined {
  if (!name) return `Object 'Kind' is missing in '${JSON.stringify({ apiVersion, ...rest })}'`;
  if (apiVersion === apiVersionOf(kind) && name === kind.kind) return undefined;
  return conversionFault(kind, String(apiVersion), String(name));
}

/** Source: Kubernetes apiserver, which has a word for it with all patches but strategic ones. */
function undecodedPatch(type: PatchType, why: string): StatusError {
  return new StatusError('BadRequest', type === 'strategic' ? why : `error decoding patch: ${why}`);
}

/** Source: Kubernetes apiserver, the wording for a YAML body. */
function readYaml(text: string): JsonObject {
  try {
    return parseYamlObject(text);
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw new StatusError('BadRequest', `error decoding YAML: ${error.message}`);
  }
}

function decoded({ object, warnings }: { object: JsonObject; warnings: string[] }): Decoded {
  return { object: object as unknown as ApiObject, warnings };
}
