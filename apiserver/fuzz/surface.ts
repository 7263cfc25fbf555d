/** What a server offers, read from its own OpenAPI documents: the operations, and the schemas of what they take. */
import type { JsonObject } from '#machinery/schema/model.ts';
import { collect, type Transport } from '#machinery/transport.ts';

/** One verb of one resource or subresource. */
export interface Operation {
  /** `/api/v1/namespaces/{namespace}/pods/{name}`. */
  path: string;
  method: string;
  /** x-kubernetes-action: get, list, post, put, patch, delete, deletecollection, connect. */
  action: string;
  /** The type of its objects. */
  gvk: { group: string; version: string; kind: string };
  /** Name of the schema of its body; undefined when it takes none, or a patch. */
  body: string | undefined;
  /** Names of its query parameters. */
  query: readonly string[];
  /** `status` of `.../{name}/status`; '' for the resource itself. */
  subresource: string;
}

/** A schema as OpenAPI writes it. */
export type Schema = JsonObject;

export interface Surface {
  operations: readonly Operation[];
  schemas: Readonly<Record<string, Schema>>;
}

interface Document {
  paths: Record<string, Record<string, RawOperation>>;
  components: { schemas: Record<string, Schema> };
}

interface RawOperation {
  'x-kubernetes-action'?: string;
  'x-kubernetes-group-version-kind'?: Operation['gvk'];
  parameters?: { name: string }[];
  requestBody?: { content: Record<string, { schema: { $ref?: string } }> };
}

/** Reads all documents of /openapi/v3. Rejects when the server does not answer them. */
export async function surfaceOf(transport: Transport): Promise<Surface> {
  const index = (await read(transport, '/openapi/v3')) as unknown as { paths: JsonObject };
  const operations: Operation[] = [];
  const schemas: Record<string, Schema> = {};
  for (const path of Object.keys(index.paths)) {
    const document = (await read(transport, `/openapi/v3/${path}`)) as unknown as Document;
    Object.assign(schemas, document.components.schemas);
    for (const [at, methods] of Object.entries(document.paths))
      for (const [method, operation] of Object.entries(methods))
        if (operation['x-kubernetes-action']) operations.push(operationOf(at, method, operation));
  }
  return { operations, schemas };
}

function operationOf(path: string, method: string, raw: RawOperation): Operation {
  const [content] = Object.values(raw.requestBody?.content ?? {});
  const reference = content?.schema.$ref;
  return {
    path,
    method: method.toUpperCase(),
    action: raw['x-kubernetes-action']!,
    gvk: raw['x-kubernetes-group-version-kind']!,
    body: method === 'patch' ? undefined : reference?.slice(reference.lastIndexOf('/') + 1),
    query: (raw.parameters ?? []).map(({ name }) => name),
    subresource: path.split('{name}/')[1] ?? '',
  };
}

async function read(transport: Transport, path: string): Promise<JsonObject> {
  const { status, body } = await transport.request({ method: 'GET', path, headers: {} });
  const text = Buffer.from(await collect(body)).toString();
  if (status !== 200) throw new Error(`GET ${path} was answered with ${status}: ${text}`);
  return JSON.parse(text) as JsonObject;
}

/** The path of an operation for an object of that name. */
export function pathFor({ path }: Pick<Operation, 'path'>, namespace: string, name: string): string {
  return path
    .replace('{namespace}', encodeURIComponent(namespace))
    .replace('{name}', encodeURIComponent(name));
}

/** The operation that creates the objects of `operation`'s resource; undefined when nothing does. */
export function creatorOf(surface: Surface, operation: Operation): Operation | undefined {
  const [collection] = operation.path.split('/{name}');
  return surface.operations.find(({ path, action }) => path === collection && action === 'post');
}
