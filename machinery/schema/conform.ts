/**
 * Makes a parsed JSON value conform to a type, in place, with the result that decoding into Kubernetes' Go types has:
 * unknown fields are taken out and told, nulls and meaningless zeros dropped, leaves checked and made canonical.
 */
import {
  type Field,
  goNameOf,
  isObject,
  type JsonObject,
  type Scalar,
  type StructType,
  setMember,
  type ValueType,
} from './model.ts';
import { checkScalar, GO_SCALARS, jsonTypeOf, ZEROS } from './scalars.ts';

/** A value of the wrong type: the request is refused (BadRequest). The message is that of Go's JSON decoder. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  /** What was found where; undefined for values of the right type in a wrong form. */
  readonly mismatch: Mismatch | undefined;

  constructor(message: string, mismatch?: Mismatch) {
    super(message);
    this.mismatch = mismatch;
  }
}

export interface Mismatch {
  /** A JSON type as Go calls it: `string`, `number`, `number 1.5`. */
  found: string;
  /** `int32`, `v1.PodSpec`, `[]v1.Container`. */
  goType: string;
  form: ValueType['form'];
}

/** Deeper documents are refused: nothing real comes near, and recursion must end. */
export const MAX_DEPTH = 200;

/** Whether a parsed JSON value is nested deeper than documents may be. Never recursive itself. */
export function isTooDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return true;
    const next: unknown[] = [];
    for (const outer of level)
      if (typeof outer === 'object' && outer !== null)
        for (const inner of Object.values(outer))
          if (typeof inner === 'object' && inner !== null) next.push(inner);
    level = next;
  }
  return false;
}

/** As many unknown fields are told; the others are dropped silently. */
const MAX_FAULTS = 100;

export interface Conformed {
  /** Paths of fields that the type does not have, in order: `spec.containers[0].imag`. */
  unknown: string[];
  /** How many members the objects of the value had, unknown ones included. */
  members: number;
}

/** Changes `value` in place. Throws DecodeError at the first value of a wrong type. */
export function conform(value: JsonObject, type: StructType): Conformed {
  const walk = new Walk();
  walk.struct(value, type, 0);
  return { unknown: walk.unknown, members: walk.members };
}

class Walk {
  readonly unknown: string[] = [];
  members = 0;
  /** From the root to here: names and indices. */
  readonly #path: (string | number)[] = [];
  /** From the root to here: names of fields. What a map holds is told by the name of the map. */
  readonly #fields: string[] = [];
  /** The Go struct around the field that is being read. */
  #struct = '';

  struct(object: JsonObject, type: StructType, depth: number): void {
    if (depth > MAX_DEPTH) throw new DecodeError('exceeded max depth');
    const around = this.#struct;
    const at = this.#path.length;
    let dropped: string[] | undefined;
    for (const name in object) {
      this.members++;
      this.#path[at] = name;
      const field = type.fields.get(name);
      const value = object[name];
      if (!field) {
        this.members += membersIn(value, depth);
        if (type.preservesUnknown) continue;
        if (this.unknown.length < MAX_FAULTS) this.unknown.push(this.#pathText());
      } else {
        this.#struct = type.name;
        if (value !== null && this.#field(object, name, value, field, depth)) continue;
      }
      if (dropped) dropped.push(name);
      else dropped = [name];
    }
    this.#path.length = at;
    this.#struct = around;
    if (dropped) for (const name of dropped) delete object[name];
  }

  /** Whether the field stays. */
  #field(object: JsonObject, name: string, value: unknown, field: Field, depth: number): boolean {
    this.#fields.push(name);
    const result = this.#value(value, field.value, field, depth);
    this.#fields.pop();
    if (result === null || (!field.keepsZero && isZero(result, field.value.form))) return false;
    if (result !== value) setMember(object, name, result);
    return true;
  }

  /** The value to keep: the same one for objects and lists, which are changed in place. */
  #value(value: unknown, type: ValueType, field: Field, depth: number): unknown {
    switch (type.form) {
      case 'scalar':
        return this.#scalar(value, type.scalar, field, depth);
      case 'struct':
        if (!isObject(value)) return this.#wrongType(value, type, field);
        this.struct(value, type.type, depth + 1);
        return value;
      case 'list':
        return this.#list(value, type, field, depth);
      case 'map':
        return this.#map(value, type, field, depth);
      case 'union':
        return this.#union(value, type, field, depth);
    }
  }

  #scalar(value: unknown, scalar: Scalar, field: Field, depth: number): unknown {
    // The commonest leaf needs no more than this.
    if (scalar === 'string' && typeof value === 'string')
      return value.isWellFormed() ? value : value.toWellFormed();
    const checked = checkScalar(scalar, value);
    if ('value' in checked) {
      if (typeof value === 'object') this.members += membersIn(value, depth);
      return checked.value;
    }
    if (checked.message !== undefined) throw new DecodeError(checked.message);
    const goType = scalar === 'string' ? (field.as ?? 'string') : checked.goType!;
    throw this.#error({ found: checked.found!, goType, form: 'scalar' });
  }

  #list(value: unknown, type: ValueType & { form: 'list' }, field: Field, depth: number): unknown {
    if (!Array.isArray(value)) return this.#wrongType(value, type, field);
    if (depth >= MAX_DEPTH) throw new DecodeError('exceeded max depth');
    const at = this.#path.length;
    for (const [index, element] of value.entries()) {
      this.#path[at] = index;
      value[index] = element === null ? zeroOf(type.of) : this.#value(element, type.of, field, depth + 1);
    }
    this.#path.length = at;
    return value;
  }

  #map(value: unknown, type: ValueType & { form: 'map' }, field: Field, depth: number): unknown {
    if (!isObject(value)) return this.#wrongType(value, type, field);
    if (depth >= MAX_DEPTH) throw new DecodeError('exceeded max depth');
    const at = this.#path.length;
    for (const key in value) {
      this.members++;
      this.#path[at] = key;
      const element = value[key];
      const result = element === null ? zeroOf(type.of) : this.#value(element, type.of, field, depth + 1);
      if (result !== element) setMember(value, key, result);
      if (!key.isWellFormed()) renameMember(value, key, key.toWellFormed());
    }
    this.#path.length = at;
    return value;
  }

  #union(value: unknown, type: ValueType & { form: 'union' }, field: Field, depth: number): unknown {
    if (isObject(value)) {
      this.struct(value, type.type, depth + 1);
      return value;
    }
    if (type.other === 'bool' && typeof value === 'boolean') return value;
    const of: ValueType =
      type.other === 'schemas' ? { form: 'struct', type: type.type } : { form: 'scalar', scalar: 'string' };
    if (type.other !== 'bool' && Array.isArray(value))
      return this.#list(value, { form: 'list', of }, field, depth);
    return this.#wrongType(value, { form: 'struct', type: type.type }, field);
  }

  #wrongType(value: unknown, type: ValueType, field: Field): never {
    throw this.#error({ found: jsonTypeOf(value), goType: goTypeOf(type, field), form: type.form });
  }

  #error(mismatch: Mismatch): DecodeError {
    const { found, goType } = mismatch;
    const struct = this.#struct.slice(this.#struct.lastIndexOf('.') + 1);
    return new DecodeError(
      `json: cannot unmarshal ${found} into Go struct field ${struct}.${this.#fields.join('.')} of type ${goType}`,
      mismatch,
    );
  }

  #pathText(): string {
    let text = '';
    for (const part of this.#path) {
      if (typeof part === 'number') text += `[${part}]`;
      else text += text === '' ? part : `.${part}`;
    }
    return text;
  }
}

/** Halves of surrogate pairs are no text: as in Go, the replacement character stands for each. */
function renameMember(object: JsonObject, from: string, to: string): void {
  setMember(object, to, object[from]);
  delete object[from];
}

function goTypeOf(type: ValueType, field: Field): string {
  switch (type.form) {
    case 'scalar':
      return type.scalar === 'string' ? (field.as ?? 'string') : GO_SCALARS[type.scalar];
    case 'struct':
    case 'union':
      return goNameOf(type.type);
    case 'list':
      return `[]${goTypeOf(type.of, field)}`;
    case 'map':
      return `map[string]${goTypeOf(type.of, field)}`;
  }
}

function zeroOf(type: ValueType): unknown {
  if (type.form === 'scalar') return ZEROS[type.scalar];
  return type.form === 'list' ? [] : {};
}

/** Zeros that Go leaves out. An empty struct is told apart from an absent one often enough to be kept. */
function isZero(value: unknown, form: ValueType['form']): boolean {
  if (value === '' || value === 0 || value === false) return true;
  if (form === 'list') return (value as unknown[]).length === 0;
  if (form !== 'map') return false;
  for (const _ in value as JsonObject) return false;
  return true;
}

/** Members of a value that no type describes. */
function membersIn(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (depth > MAX_DEPTH) throw new DecodeError('exceeded max depth');
  let members = 0;
  if (Array.isArray(value)) for (const element of value) members += membersIn(element, depth + 1);
  else
    for (const name in value) {
      members += 1 + membersIn((value as JsonObject)[name], depth + 1);
    }
  return members;
}
