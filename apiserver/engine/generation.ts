/** metadata.generation: which version of what the user desires an object holds. */
import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { writeRulesOf } from '#api/semantics/write-rules.ts';
import { sameJson } from '#machinery/values/same-json.ts';

/** The generation of a new object, undefined when it has none. */
export function firstGeneration(kind: Kind): number | undefined {
  const { generation } = writeRulesOf(kind);
  return generation === 'counted' || generation === 'fixed' ? 1 : undefined;
}

/** The generation of an object after a change; undefined when it has none. */
export function nextGeneration(kind: Kind, object: ApiObject, old: ApiObject): number | undefined {
  const { generation: before } = old.metadata;
  const { generation, countedMetadata } = writeRulesOf(kind);
  if (generation !== 'counted' && generation !== 'late') return before;
  const desire = ({ metadata, ...rest }: ApiObject) => ({
    ...rest,
    status: undefined,
    metadata: Object.fromEntries(countedMetadata.map((part) => [part, metadata[part]])),
  });
  return sameJson(desire(object), desire(old)) ? before : (before ?? 0) + 1;
}
