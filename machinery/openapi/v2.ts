/** OpenAPI version 2 (Swagger): one document of everything. kubectl up to 1.28 reads nothing else. Source: OpenAPI 2.0. */
import type { JsonObject } from '../schema/model.ts';
import { type Content, type Operation, operationsOf } from './operations.ts';
import type { OpenApiSource } from './resource.ts';
import { SchemaCollector } from './schemas.ts';

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** The answer to GET /openapi/v2 as JSON. */
export function openApiV2Document(source: OpenApiSource): JsonObject {
  const collector = new SchemaCollector(2, source.schemas, source.descriptions);
  const paths: Record<string, JsonObject> = {};
  for (const resource of source.resources)
    for (const operation of operationsOf(resource)) {
      paths[operation.path] ??= { parameters: pathParameters(operation) };
      paths[operation.path]![operation.method] = describe(operation, collector);
    }
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: source.version },
    paths,
    definitions: collector.collected(),
  };
}

function pathParameters(operation: Operation): JsonObject[] {
  return operation.pathParameters.map((name) => ({
    name,
    in: 'path',
    required: true,
    description: `${name} of the object`,
    type: 'string',
  }));
}

function describe(operation: Operation, collector: SchemaCollector): JsonObject {
  const query = operation.query.map(({ name, type, description }) => ({
    name,
    in: 'query',
    description,
    type,
  }));
  const body = operation.body && {
    name: 'body',
    in: 'body',
    ...(operation.body.form === 'object' && { required: true }),
    schema: bodySchema(operation.body, collector),
  };
  return {
    operationId: operation.id,
    consumes: ['*/*'],
    produces: ['application/json'],
    parameters: body ? [body, ...query] : query,
    responses: { '200': { description: 'OK', schema: schemaOf(operation.answer, operation, collector) } },
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.gvk,
  };
}

function bodySchema(body: NonNullable<Operation['body']>, collector: SchemaCollector): JsonObject {
  if (body.form === 'object') return collector.ref(body.schema);
  if (body.form === 'deleteOptions') return collector.ref(`${META}.DeleteOptions`);
  return body.form === 'patch' ? collector.ref(`${META}.Patch`) : { type: 'string' };
}

function schemaOf(answer: Content, operation: Operation, collector: SchemaCollector): JsonObject {
  if (answer.form === 'object') return collector.ref(answer.schema);
  if (answer.form === 'list') return collector.listRef(answer.schema, { ...operation.gvk });
  return answer.form === 'status' ? collector.ref(`${META}.Status`) : { type: 'string' };
}
