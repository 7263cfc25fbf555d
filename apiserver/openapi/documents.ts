import { createHash } from 'node:crypto';
import type { Kind } from '#api/kind.ts';
import {
  documentHash,
  groupVersionPath,
  type OpenApiResource,
  type OpenApiSource,
} from '#machinery/openapi/resource.ts';
import { openApiV2Document } from '#machinery/openapi/v2.ts';
import { encodeOpenApiV2 } from '#machinery/openapi/v2-protobuf.ts';
import { openApiV3Document } from '#machinery/openapi/v3.ts';
import type { Descriptions } from '#machinery/schema/load.ts';
import type { Schemas } from '#machinery/schema/model.ts';
import { type OpenApi, schemaOf } from '../encoding/formats.ts';
import { verbsOf } from '../resources/verbs.ts';
import { SERVER_VERSION } from '../version.ts';

/** Documents kept: clients that validate ask for the same few again and again, and each may be over a megabyte. */
const KEPT = 4;

/** A document made before, by its name; the name tells what it was made of, so an outdated one is not found. */
export type ReadyDocuments = (name: string) => Uint8Array | undefined;

/**
 * The documents of the served kinds, each found ready or made when it is asked for. `descriptions` are read then and let
 * go.
 */
export function openApiDocuments(
  kinds: readonly Kind[],
  schemas: Schemas,
  descriptions: () => Descriptions,
  ready: ReadyDocuments = () => undefined,
): OpenApi {
  const resources = kinds.map(resourceOf);
  const kept = new Map<string, Uint8Array>();
  const hashed: OpenApiSource = { resources, schemas, descriptions: {}, version: SERVER_VERSION.gitVersion };
  const full = (): OpenApiSource => ({ ...hashed, descriptions: descriptions() });
  const paths = [...new Set(resources.map(groupVersionPath))];
  const hashes = Object.fromEntries(paths.map((path) => [path, documentHash(hashed, path)]));

  const all = createHash('sha256')
    .update(JSON.stringify([hashes, schemas.version]))
    .digest('hex');
  const nameOf = (key: string, hash: string) =>
    `${key.replace(/[^a-z0-9.]/gi, '_')}.${hash.slice(0, 16).toLowerCase()}`;

  function remember(key: string, hash: string, make: () => Uint8Array): Uint8Array {
    // Not kept: reading the file again costs a millisecond, and is seldom.
    const found = kept.get(key) ? undefined : ready(nameOf(key, hash));
    if (found) return found;
    const bytes = kept.get(key) ?? make();
    kept.delete(key);
    kept.set(key, bytes);
    if (kept.size > KEPT) kept.delete(kept.keys().next().value!);
    return bytes;
  }

  return {
    v2: (format) =>
      remember(`v2 ${format}`, all, () => {
        const document = openApiV2Document(full());
        return format === 'json' ? Buffer.from(JSON.stringify(document)) : encodeOpenApiV2(document);
      }),
    v3: () => hashes,
    v3Document: (path) =>
      paths.includes(path)
        ? remember(path, hashes[path]!, () => Buffer.from(JSON.stringify(openApiV3Document(full(), path))))
        : undefined,
  };
}

function resourceOf(kind: Kind): OpenApiResource {
  const { group, version, plural, namespaced, schema, subresources } = kind;
  const list = (subresources?.others ?? []).map((other) => {
    const gvk = { group: other.group ?? group, version: other.version ?? version, kind: other.kind };
    const own = gvk.kind === kind.kind;
    const apiVersion = gvk.group ? `${gvk.group}/${gvk.version}` : gvk.version;
    // Options of connecting subresources have no body: they give text or a connection.
    const text = other.kind.endsWith('Options') || other.name === 'log';
    return {
      name: other.name,
      verbs: other.verbs,
      gvk,
      ...(!text && { schema: own ? schema : schemaOf(apiVersion, gvk.kind) }),
    };
  });
  const patchable = ['get', 'patch', 'update'];
  if (subresources?.status)
    list.push({ name: 'status', verbs: patchable, gvk: { group, version, kind: kind.kind }, schema });
  if (subresources?.scale) {
    const gvk = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
    list.push({ name: 'scale', verbs: patchable, gvk, schema: schemaOf('autoscaling/v1', 'Scale') });
  }
  return {
    group,
    version,
    kind: kind.kind,
    plural,
    namespaced,
    schema,
    verbs: verbsOf(kind),
    subresources: list,
  };
}
