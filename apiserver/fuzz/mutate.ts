/** Changes to a JSON value at places chosen by chance: wrong types, values too large, things twice, things nobody knows. */
import { isObject, type JsonObject, setMember } from '#machinery/schema/model.ts';
import type { Dice } from './dice.ts';
import { hostileValue, NAMES } from './hostile.ts';

/** A member of an object or an element of a list inside a value. */
interface Slot {
  parent: JsonObject | unknown[];
  key: string | number;
}

/** How many places of a value are looked at: large ones have enough. */
const MAX_SLOTS = 2_000;
/** Values of mutations before may be nested without end. */
const MAX_SLOT_DEPTH = 40;

/** Every member and element inside a value. */
export function slotsOf(value: unknown): Slot[] {
  const slots: Slot[] = [];
  const visit = (inner: unknown, depth: number) => {
    if (depth > MAX_SLOT_DEPTH || slots.length > MAX_SLOTS) return;
    if (Array.isArray(inner))
      for (const [key, element] of inner.entries()) {
        slots.push({ parent: inner, key });
        visit(element, depth + 1);
      }
    else if (isObject(inner))
      for (const [key, member] of Object.entries(inner)) {
        slots.push({ parent: inner, key });
        visit(member, depth + 1);
      }
  };
  visit(value, 0);
  return slots;
}

export function slotValue({ parent, key }: Slot): unknown {
  return (parent as Record<string | number, unknown>)[key];
}

function setSlot({ parent, key }: Slot, value: unknown): void {
  if (Array.isArray(parent)) parent[Number(key)] = value;
  else setMember(parent, String(key), value);
}

/** Changes `value` in place, `times` times. */
export function mutate(value: JsonObject, dice: Dice, times = 1 + dice.below(3)): void {
  for (let i = 0; i < times; i++) {
    const slots = slotsOf(value);
    if (slots.length === 0) setMember(value, dice.pick(NAMES), hostileValue(dice));
    else dice.pick(MUTATIONS)(dice.pick(slots), dice);
  }
}

const MUTATIONS: readonly ((slot: Slot, dice: Dice) => void)[] = [
  (slot, dice) => setSlot(slot, hostileValue(dice)),
  (slot, dice) => setSlot(slot, hostileValue(dice)),
  (slot) => setSlot(slot, null),
  (slot) => setSlot(slot, [slotValue(slot)]),
  (slot) => setSlot(slot, { value: slotValue(slot) }),
  (slot, dice) => emptied(slot, dice),
  ({ parent, key }) => {
    if (Array.isArray(parent)) parent.splice(Number(key), 1);
    else delete parent[key];
  },
  ({ parent, key }, dice) => {
    const inner = slotValue({ parent, key });
    // A list with an element twice; an object with a member nobody knows.
    if (Array.isArray(parent)) parent.push(structuredClone(inner));
    else setMember(parent, dice.pick(NAMES), dice.chance(0.5) ? 'x' : hostileValue(dice));
  },
  ({ parent, key }, dice) => {
    if (Array.isArray(parent)) parent.push(hostileValue(dice));
    else setMember(parent, `${String(key)}${dice.pick(['s', '\0', ' ', '.'])}`, parent[String(key)]);
  },
];

/** The empty value of the same type, or of another. */
function emptied(slot: Slot, dice: Dice): void {
  const value = slotValue(slot);
  const empty = Array.isArray(value) ? [] : isObject(value) ? {} : typeof value === 'string' ? '' : 0;
  setSlot(slot, dice.chance(0.8) ? empty : dice.pick(['', 0, false, [], {}]));
}
