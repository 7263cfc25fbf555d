import { describe, expect, it } from 'vitest';
import { decodeJson } from '#machinery/schema/decode.ts';
import { generatedSchemas } from '#machinery/schema/load.ts';
import type { JsonObject } from '#machinery/schema/model.ts';
import type { FieldError, Kind } from '../kind.ts';
import type { ApiObject } from '../objects.ts';
import { faultText } from '../validation/fault-text.ts';
import {
  MAY_BE_MISSING,
  NAMED_OTHERWISE,
  NOT_IN_SPECIMENS,
  NOT_YET_JUDGED,
  OPEN_ENUMS,
} from './exceptions.ts';
import { SPECIMENS } from './index.ts';
import { type Found, fieldsOf, tableNames } from './places.ts';

/** Tests that come from the field table: each field of each specimen is taken away or spoiled, and must be refused by name. */
const schemas = generatedSchemas();

function faultsOf(kind: Kind, object: JsonObject): FieldError[] {
  const { strategy } = kind;
  strategy.defaults?.(object as unknown as ApiObject);
  strategy.prepareForCreate?.(object as unknown as ApiObject);
  strategy.defaults?.(object as unknown as ApiObject);
  const whole = object as unknown as ApiObject;
  return [...strategy.validate(whole), ...(strategy.validateCreate?.(whole) ?? [])];
}

/** The faults after `spoil` changed the field called `tableName` at `path`. */
function spoiled(kind: Kind, object: ApiObject, path: string, spoil: (found: Found) => void): FieldError[] {
  const copy = structuredClone(object) as unknown as JsonObject;
  for (const found of fieldsOf(copy, schemas.type(kind.schema))) {
    if (found.path !== path) continue;
    spoil(found);
    return faultsOf(kind, copy);
  }
  throw new Error(`the specimen has no ${path}`);
}

function isNotYetJudged(kind: Kind, path: string): boolean {
  return NOT_YET_JUDGED.some((part) => `${kind.kind} ${path}`.startsWith(part));
}

/** The first place of each field that `wanted` holds of. */
function placesOf(kind: Kind, objects: Record<string, ApiObject>, wanted: (found: Found) => boolean) {
  const places = new Map<string, { path: string; object: ApiObject }>();
  for (const object of Object.values(objects))
    for (const found of fieldsOf(object as unknown as JsonObject, schemas.type(kind.schema)))
      if (wanted(found) && !places.has(found.tableName) && !isNotYetJudged(kind, found.path))
        places.set(found.tableName, { path: found.path, object });
  return [...places].map(([tableName, at]) => ({ tableName, ...at }));
}

/** A fault is about a field when it names it, something in it, or what it belongs to; Kubernetes leaves indexes out at times. */
function concerns(fault: FieldError, path: string, tableName: string): boolean {
  const otherwise = NAMED_OTHERWISE.get(tableName);
  if (otherwise) return fault.field.endsWith(otherwise);
  const plain = (text: string) => text.replace(/\[[^\]]*\]/g, '');
  const holder = path.slice(0, path.lastIndexOf('.'));
  return (
    plain(fault.field).startsWith(plain(path)) ||
    [holder, holder.replace(/\[\d+\]$/, '')].includes(fault.field)
  );
}

describe.each(SPECIMENS.map((specimen) => [specimen.kind.kind, specimen] as const))(
  '%s',
  (_name, { kind, objects }) => {
    it.each(Object.keys(objects))('takes %s', (what) => {
      const { object } = decodeJson(JSON.stringify(objects[what]), schemas.type(kind.schema), 'Strict');
      expect(faultsOf(kind, object).map(faultText)).toEqual([]);
    });

    const required = placesOf(
      kind,
      objects,
      ({ field, tableName }) => field.required && !MAY_BE_MISSING.has(tableName),
    );
    it.skipIf(required.length === 0).each(required)(
      'does not do without $tableName',
      ({ path, object, tableName }) => {
        const faults = spoiled(kind, object, path, ({ holder, field }) => delete holder[field.name]);
        expect(faults.filter((fault) => concerns(fault, path, tableName)).map(faultText)).not.toEqual([]);
      },
    );

    const enums = placesOf(
      kind,
      objects,
      ({ field, tableName }) => field.enum !== undefined && !OPEN_ENUMS.has(tableName),
    );
    it.skipIf(enums.length === 0).each(enums)('takes no other $tableName', ({ path, object, tableName }) => {
      const spoil = ({ holder, field }: Found) => {
        holder[field.name] = Array.isArray(holder[field.name]) ? ['Bogus'] : 'Bogus';
      };
      const faults = spoiled(kind, object, path, spoil);
      expect(faults.filter((fault) => concerns(fault, path, tableName)).map(faultText)).not.toEqual([]);
    });
  },
);

describe('the specimens', () => {
  it('use every field of the table', () => {
    const used = new Set(
      SPECIMENS.flatMap(({ kind, objects }) =>
        Object.values(objects).flatMap((object) => [
          ...[...fieldsOf(object as unknown as JsonObject, schemas.type(kind.schema))].map(
            ({ tableName }) => tableName,
          ),
        ]),
      ),
    );
    const all = new Set(SPECIMENS.flatMap(({ kind }) => tableNames(schemas.type(kind.schema))));
    const missing = [...all].filter(
      (name) => !used.has(name) && !NOT_IN_SPECIMENS.some(([pattern]) => pattern.test(name)),
    );
    expect(missing).toEqual([]);
  });
});
