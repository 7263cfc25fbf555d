/** Who owns which fields: noted on every write that people or programs ask for. */
import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { resetFieldsOf } from '#api/semantics/write-rules.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { trackUpdate } from '#machinery/patch/apply.ts';
import type { JsonObject, Schemas } from '#machinery/schema/model.ts';
import type { RequestContext } from '../contract.ts';

/**
 * Notes in `next.metadata.managedFields` what a write other than apply changes; `old` is undefined when the object is made.
 * Called before admission: what plugins add has no owner. `now` in ms.
 */
export type TrackOwners = (
  kind: Kind,
  old: ApiObject | undefined,
  next: ApiObject,
  writer: { context: RequestContext; subresource: string; now: number },
) => void;

export function ownerTracking(schemas: Schemas): TrackOwners {
  return (kind, old, next, { context, subresource, now }) => {
    trackUpdate(
      old as unknown as JsonObject | undefined,
      next as unknown as JsonObject,
      schemas.type(kind.schema),
      {
        manager: managerOf(context),
        time: rfc3339(now),
        subresource,
        resets: resetFieldsOf(kind, subresource),
      },
    );
  };
}

/** Source: kube-apiserver, field managers are named by the first 128 printable characters of the User-Agent up to `/`. */
const AGENT_LIMIT = 128;

/** What the request says, or the program in its User-Agent, or the user. */
function managerOf({ info, request, identity }: RequestContext): string {
  const agent = request.headers['user-agent']?.split('/')[0]?.slice(0, AGENT_LIMIT);
  return info.query.get('fieldManager') || agent || identity.name;
}
