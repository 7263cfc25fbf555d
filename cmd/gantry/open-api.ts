import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kind } from '#api/kind.ts';
import type { OpenApi } from '#apiserver/encoding/formats.ts';
import type { OpenApiResource, OpenApiSource } from '#machinery/openapi/resource.ts';
import { documentHash, groupVersionPath } from '#machinery/openapi/resource.ts';
import { openApiV2Document } from '#machinery/openapi/v2.ts';
import { encodeOpenApiV2 } from '#machinery/openapi/v2-protobuf.ts';
import { openApiV3Document } from '#machinery/openapi/v3.ts';
import { loadDescriptions } from '#machinery/schema/load.ts';
import type { Schemas } from '#machinery/schema/model.ts';
import { generated } from './assets.ts';

/**
 * The OpenAPI documents of the served kinds. Each is made when first asked for and kept as bytes; the descriptions are
 * read for that and let go again: most servers are never asked.
 */
export function openApi(kinds: readonly Kind[], schemas: Schemas, version: string): OpenApi {
  const resources = kinds.map(toResource);
  const paths = [...new Set(resources.map(groupVersionPath))].sort();
  const kept = new Map<string, Uint8Array | undefined>();
  const source = (): OpenApiSource => ({
    resources,
    schemas,
    descriptions: loadDescriptions(readFileSync(join(generated, 'descriptions.json'))),
    version,
  });
  const once = (key: string, make: () => Uint8Array | undefined) => {
    if (!kept.has(key)) kept.set(key, make());
    return kept.get(key);
  };
  const json = (document: object) => Buffer.from(JSON.stringify(document));
  return {
    v2: (format) => {
      const make = () => (format === 'json' ? json : encodeOpenApiV2)(openApiV2Document(source()));
      return once(`v2 ${format}`, make)!;
    },
    v3: () => {
      const hashed = { resources, schemas, descriptions: {}, version };
      return Object.fromEntries(paths.map((path) => [path, documentHash(hashed, path)]));
    },
    v3Document: (path, format) => {
      if (format !== 'json' || !paths.includes(path)) return undefined;
      return once(`v3 ${path}`, () => json(openApiV3Document(source(), path)!));
    },
  };
}

function toResource(kind: Kind): OpenApiResource {
  const { status, scale, others } = kind.subresources ?? {};
  const change = ['get', 'patch', 'update'];
  const scaleGvk = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
  return {
    group: kind.group,
    version: kind.version,
    kind: kind.kind,
    plural: kind.plural,
    namespaced: kind.namespaced,
    verbs: kind.verbs ?? ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    schema: kind.schema,
    subresources: [
      ...(status ? [{ name: 'status', verbs: change }] : []),
      ...(scale
        ? [{ name: 'scale', verbs: change, gvk: scaleGvk, schema: 'io.k8s.api.autoscaling.v1.Scale' }]
        : []),
      ...(others ?? []).map(({ name, verbs }) => ({ name, verbs })),
    ],
  };
}
