/**
 * What makes a configuration none of its type for server-side apply, before anything is merged: fields that are not
 * declared, elements of a list without the keys that tell them apart, or with the same ones. Source: structured-merge-diff,
 * the validation of typed values, with its words.
 */
import { MAX_DEPTH } from '../schema/conform.ts';
import { isObject, type JsonObject, member, type StructType } from '../schema/model.ts';
import { type Path, showPath } from './field-set.ts';
import { elementPlace, elementText, memberPlace, type Place } from './place.ts';

/** Faults as `.spec.foo: field not declared in schema`, in the order of the configuration. */
export function undeclared(config: JsonObject, type: StructType): string[] {
  const faults: string[] = [];
  look(config, { value: { form: 'struct', type } }, [], faults);
  return faults;
}

function look(value: unknown, place: Place, path: Path, faults: string[]): void {
  if (path.length > MAX_DEPTH) return;
  if (isObject(value)) lookAtMembers(value, place, path, faults);
  else if (Array.isArray(value) && place.value?.form === 'list') lookAtElements(value, place, path, faults);
}

function lookAtMembers(object: JsonObject, place: Place, path: Path, faults: string[]): void {
  if (place.value?.form !== 'struct' && place.value?.form !== 'map') return;
  const declares = place.value.form === 'struct' ? place.value.type : undefined;
  for (const name of Object.keys(object)) {
    const at = [...path, `f:${name}`];
    if (declares && !declares.fields.has(name) && !declares.preservesUnknown)
      faults.push(`${showPath(at)}: field not declared in schema`);
    else look(object[name], memberPlace(place, name), at, faults);
  }
}

function lookAtElements(list: unknown[], place: Place, path: Path, faults: string[]): void {
  const semantics = place.field?.list;
  const inner = elementPlace(place);
  const seen = new Set<string>();
  for (const [index, element] of list.entries()) {
    const id =
      semantics?.type === 'map' || semantics?.type === 'set' ? elementText(element, place) : `v:${index}`;
    const missing = semantics?.type === 'map' ? missingKey(element, place, semantics.keys) : undefined;
    if (missing !== undefined)
      faults.push(
        `${showPath(path)}: element ${index}: associative list with keys has an element that omits key field ${JSON.stringify(missing)} (and doesn't have default value)`,
      );
    else if (seen.has(id)) faults.push(`${showPath(path)}: duplicate entries for key ${showPath([id])}`);
    else look(element, inner, [...path, id], faults);
    seen.add(id);
  }
}

function missingKey(element: unknown, place: Place, keys: readonly string[]): string | undefined {
  const of = place.value?.form === 'list' && place.value.of.form === 'struct' ? place.value.of : undefined;
  const hasKey = (key: string) =>
    of?.type.fields.get(key)?.default !== undefined ||
    (isObject(element) && member(element, key) !== undefined);
  return keys.find((key) => !hasKey(key));
}
