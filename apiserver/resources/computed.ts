import type { ApiObject } from '#api/objects.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import type { ResourceHandler } from '../contract.ts';
import { renderList } from '../encoding/render.ts';
import { notFound } from '../engine/faults.ts';
import { unknownPath } from '../unknown-path.ts';
import { rendererOf, respond, respondObject, type Scope } from './scope.ts';
import { type Selectable, selectionOf, selects } from './selection.ts';

/** GET and LIST of a kind whose objects nobody stores: they have no resourceVersion and come all at once. */
export async function readComputed(
  scope: Scope,
  handler: ResourceHandler | undefined,
): Promise<TransportResponse> {
  if (!handler?.objects) throw unknownPath();
  const { kind, name, namespace, context } = scope;
  const all = await handler.objects();
  const objects = all.filter(({ metadata }) => !namespace || metadata.namespace === namespace);
  if (context.info.verb === 'get') {
    const found = objects.find(({ metadata }) => metadata.name === name);
    if (!found) throw notFound(kind, name);
    return respondObject(scope, bytesOf(found));
  }
  const selection = selectionOf(kind, context.info.query);
  const chosen = objects.filter((object) => selects(selection, kind, selectable(object)));
  return respond(await renderList(rendererOf(scope), chosen.map(bytesOf), {}));
}

function bytesOf(object: ApiObject): Buffer {
  return Buffer.from(JSON.stringify(object));
}

function selectable(object: ApiObject): Selectable {
  const { name, namespace = '', labels } = object.metadata;
  return { name, namespace, labels, fields: undefined, bytes: bytesOf(object) };
}
