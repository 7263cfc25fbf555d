/** Who owns which fields of an object that has been applied on the server; for all other objects nothing is kept. */
import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { trackUpdate } from '#machinery/patch/apply.ts';
import type { JsonObject, Schemas } from '#machinery/schema/model.ts';
import type { RequestContext } from '../contract.ts';

/** Notes in `next.metadata.managedFields` what a write other than apply changes. `now` in ms. */
export type TrackOwners = (
  kind: Kind,
  old: ApiObject,
  next: ApiObject,
  writer: { context: RequestContext; subresource: string; now: number },
) => void;

export function ownerTracking(schemas: Schemas): TrackOwners {
  return (kind, old, next, { context, subresource, now }) => {
    if (!old.metadata.managedFields?.length) {
      delete next.metadata.managedFields;
      return;
    }
    trackUpdate(old as unknown as JsonObject, next as unknown as JsonObject, schemas.type(kind.schema), {
      manager: managerOf(context),
      time: rfc3339(now),
      subresource,
    });
  };
}

/** As Kubernetes: what the request says, or the program in its User-Agent, or the user. */
function managerOf({ info, request, identity }: RequestContext): string {
  const agent = request.headers['user-agent']?.split('/')[0];
  return info.query.get('fieldManager') || agent || identity.name;
}
