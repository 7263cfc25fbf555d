/** OpenAPI version 3: an index and one document for each group and version. Source: OpenAPI 3.0; Kubernetes /openapi/v3. */
import type { JsonObject } from '../schema/model.ts';
import { type Content, type Operation, operationsOf } from './operations.ts';
import { documentHash, groupVersionPath, type OpenApiSource } from './resource.ts';
import { SchemaCollector } from './schemas.ts';

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const OBJECT_TYPES = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

/** The answer to GET /openapi/v3: where the document of each group version is, with a hash for caches. */
export function openApiV3Index(source: OpenApiSource): JsonObject {
  const paths = [...new Set(source.resources.map(groupVersionPath))].sort();
  return {
    paths: Object.fromEntries(
      paths.map((path) => [
        path,
        { serverRelativeURL: `/openapi/v3/${path}?hash=${documentHash(source, path)}` },
      ]),
    ),
  };
}

/** The document of a group version, named as in the index (`apis/apps/v1`); undefined when nothing is served there. */
export function openApiV3Document(source: OpenApiSource, path: string): JsonObject | undefined {
  const resources = source.resources.filter((resource) => groupVersionPath(resource) === path);
  if (resources.length === 0) return undefined;
  const collector = new SchemaCollector(3, source.schemas, source.descriptions);
  const paths: Record<string, JsonObject> = {};
  for (const resource of resources)
    for (const operation of operationsOf(resource)) {
      paths[operation.path] ??= { parameters: pathParameters(operation) };
      paths[operation.path]![operation.method] = describe(operation, collector);
    }
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: source.version },
    paths,
    components: { schemas: collector.collected() },
  };
}

function pathParameters(operation: Operation): JsonObject[] {
  return operation.pathParameters.map((name) => ({
    name,
    in: 'path',
    required: true,
    description: `${name} of the object`,
    schema: { type: 'string', uniqueItems: true },
  }));
}

function describe(operation: Operation, collector: SchemaCollector): JsonObject {
  const { body } = operation;
  return {
    operationId: operation.id,
    parameters: operation.query.map(({ name, type, description }) => ({
      name,
      in: 'query',
      description,
      schema: { type, uniqueItems: true },
    })),
    ...(body && { requestBody: requestBody(body, collector) }),
    responses: {
      '200': {
        description: 'OK',
        content: content(OBJECT_TYPES, schemaOf(operation.answer, operation, collector)),
      },
    },
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.gvk,
  };
}

function requestBody(body: NonNullable<Operation['body']>, collector: SchemaCollector): JsonObject {
  if (body.form === 'patch')
    return { required: true, content: content(PATCH_TYPES, collector.ref(`${META}.Patch`)) };
  if (body.form === 'deleteOptions')
    return { content: content(['application/json'], collector.ref(`${META}.DeleteOptions`)) };
  if (body.form === 'object')
    return { required: true, content: content(['*/*'], collector.ref(body.schema)) };
  return { content: content(['*/*'], { type: 'string' }) };
}

function schemaOf(answer: Content, operation: Operation, collector: SchemaCollector): JsonObject {
  if (answer.form === 'object') return collector.ref(answer.schema);
  if (answer.form === 'list') return collector.listRef(answer.schema, { ...operation.gvk });
  return answer.form === 'status' ? collector.ref(`${META}.Status`) : { type: 'string' };
}

function content(types: string[], schema: JsonObject): JsonObject {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}
