/** Patches of the four types: some that fit an object, most that do not. */
import { isObject, type JsonObject, setMember } from '#machinery/schema/model.ts';
import { type Body, damaged, jsonBytes, yamlText } from './bodies.ts';
import type { Dice } from './dice.ts';
import { hostileValue } from './hostile.ts';
import { mutate, slotsOf, slotValue } from './mutate.ts';

/** A patch of an object that looks like `object`. */
export function patchBody(object: JsonObject, dice: Dice): Body {
  const { type, make } = dice.pick(TYPES);
  const made = make(object, dice);
  const bytes = made instanceof Buffer ? made : jsonBytes(made, dice);
  return { type: dice.chance(0.03) ? dice.pick(WRONG_TYPES) : type, bytes };
}

const TYPES: readonly { type: string; make: (object: JsonObject, dice: Dice) => unknown }[] = [
  { type: 'application/json-patch+json', make: jsonPatch },
  { type: 'application/merge-patch+json', make: mergePatch },
  { type: 'application/strategic-merge-patch+json', make: strategicPatch },
  { type: 'application/strategic-merge-patch+json', make: strategicPatch },
  { type: 'application/apply-patch+yaml', make: applied },
];

const WRONG_TYPES = ['application/json', 'text/plain', '', 'constructor', '__proto__', 'application/*'];

function jsonPatch(object: JsonObject, dice: Dice): unknown {
  if (dice.chance(0.05)) return dice.pick([null, {}, 'x', [null], [[]], [{}], [{ op: 'add' }]]);
  if (dice.chance(0.03)) return bomb(dice);
  const pointers = [...pointersOf(object), ...WRONG_POINTERS];
  return Array.from({ length: 1 + dice.below(4) }, () => {
    const path = dice.pick(pointers);
    const op = dice.pick(['add', 'remove', 'replace', 'move', 'copy', 'test', 'Add', '_get', 'constructor']);
    return {
      op,
      path: dice.chance(0.03) ? hostileValue(dice) : path,
      from: dice.chance(0.3) ? path : dice.pick(pointers),
      value: hostileValue(dice),
    };
  });
}

const WRONG_POINTERS = [
  '',
  '/',
  '//',
  'spec',
  '/-',
  '/metadata/-',
  '/metadata/labels',
  '/metadata/labels/-1',
  '/spec/containers/-',
  '/spec/containers/-1',
  '/spec/containers/1e3',
  '/spec/containers/00',
  '/spec/containers/99999999999999999999',
  '/__proto__/polluted',
  '/constructor/prototype/polluted',
  '/metadata/__proto__',
  '/metadata/~2',
  '/metadata/~',
  `${'/a'.repeat(5000)}`,
];

function pointersOf(object: JsonObject): string[] {
  const pointers: string[] = [];
  const visit = (value: unknown, at: string) => {
    if (pointers.length > 100) return;
    if (Array.isArray(value)) for (const [i, element] of value.entries()) visit(element, `${at}/${i}`);
    else if (isObject(value))
      for (const [name, member] of Object.entries(value))
        visit(member, `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
    pointers.push(at);
  };
  visit(object, '');
  return pointers;
}

/** Many operations, or few that double the document each time. */
function bomb(dice: Dice): unknown {
  const first = { op: 'add', path: '/metadata/annotations', value: { a: 'x'.repeat(1000) } };
  if (dice.chance(0.3)) return Array(10_001).fill(first);
  if (dice.chance(0.3)) return Array(5_000).fill({ op: 'test', path: '/kind', value: object(50) });
  return [
    first,
    ...Array.from({ length: 40 }, (_, i) => ({
      op: 'copy',
      from: '/metadata/annotations',
      path: `/metadata/annotations/b${i}`,
    })),
  ];
}

function object(members: number): JsonObject {
  return Object.fromEntries(Array.from({ length: members }, (_, i) => [`a${i}`, i]));
}

/** A part of the object, changed. */
function mergePatch(object: JsonObject, dice: Dice): JsonObject {
  const { metadata, ...rest } = structuredClone(object);
  const patch: JsonObject = dice.chance(0.7) ? rest : { ...rest, metadata };
  mutate(patch, dice);
  return patch;
}

const DIRECTIVE_VALUES = ['replace', 'delete', 'merge', '', 'x', null, 1, [], {}, ['replace']];
const ORDERS: readonly unknown[] = [
  [],
  null,
  'x',
  [{ name: 'c' }],
  [{}],
  [null],
  ['c', 'c'],
  [{ name: 'c' }, { name: 'c' }],
  [{ port: 80 }],
  {},
  [[[]]],
];

function strategicPatch(object: JsonObject, dice: Dice): JsonObject {
  const patch = mergePatch(object, dice);
  for (let i = dice.below(3); i > 0; i--) {
    const parents = slotsOf(patch).map(slotValue).filter(isObject);
    const parent = dice.pick([patch, ...parents]);
    const lists = Object.keys(parent).filter((name) => Array.isArray(parent[name]));
    const list = lists.length ? dice.pick(lists) : dice.pick(['containers', 'finalizers', 'nothing', '']);
    const [name, values] = dice.pick<[string, readonly unknown[]]>([
      ['$patch', DIRECTIVE_VALUES],
      [`$setElementOrder/${list}`, ORDERS],
      [`$deleteFromPrimitiveList/${list}`, ORDERS],
      ['$retainKeys', [...ORDERS, Object.keys(parent), ['__proto__']]],
    ]);
    setMember(parent, name, structuredClone(dice.pick(values)));
  }
  return patch;
}

const PATH_SETS: readonly unknown[] = [
  null,
  [],
  'x',
  {},
  { 'f:spec': null },
  { 'f:spec': 1 },
  { 'f:metadata': { 'f:labels': { '.': {}, 'f:__proto__': {} } } },
  { 'k:{"name":': {} },
  { 'k:null': {}, 'v:{': {}, 'i:x': {}, x: {} },
  { 'f:spec': { 'f:containers': { 'k:{"name":"c"}': { '.': {}, 'f:image': {} } } } },
  { 'f:a\0f:b': {} },
];

/** A configuration to apply, in some cases with managedFields, which clients must not send. */
function applied(object: JsonObject, dice: Dice): unknown {
  const config = structuredClone(object);
  if (dice.chance(0.8)) mutate(config, dice);
  if (dice.chance(0.3) && isObject(config['metadata']))
    config['metadata']['managedFields'] = dice.pick<unknown>([
      [{}],
      [null],
      {},
      [{ manager: 'm', operation: dice.pick(['Apply', 'Update', 'X', '']), fieldsV1: dice.pick(PATH_SETS) }],
    ]);
  if (dice.chance(0.2)) return Buffer.from(yamlText(config, dice));
  return dice.chance(0.05) ? damaged(Buffer.from(JSON.stringify(config)), dice) : config;
}
