/**
 * Reads JSON that stands in the annotations of autoscalers: anybody can write anything there, and what is read becomes
 * fields of a stored object, so every value must be of its form.
 */
import { canonicalQuantity, isQuantity } from '#machinery/values/quantity.ts';

export type Json = Record<string, unknown>;

/** How a value is read. Throws MalformedError. */
export type Form = (value: unknown) => unknown;
export type Fields = Readonly<Record<string, Form>>;

/** Thrown while reading: a value is not of the form it should have. */
export class MalformedError extends Error {}

function malformed(): never {
  throw new MalformedError();
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : malformed();
}

export function count(value: unknown): number {
  return Number.isInteger(value) ? (value as number) : malformed();
}

export function quantity(value: unknown): string {
  const isText = typeof value === 'string' || typeof value === 'number';
  return isText && isQuantity(value) ? canonicalQuantity(value) : malformed();
}

export function time(value: unknown): string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? value : malformed();
}

export function record(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : malformed();
}

export function listOf<T>(form: (value: unknown) => T): (value: unknown) => T[] {
  return (value) => (Array.isArray(value) ? value.map(form) : malformed());
}

/** The fields that are there, each in its form; null is as good as none. Fields of other names are passed over. */
export function fields(forms: Fields): (value: unknown) => Json {
  return (value) => {
    const from = record(value);
    const present = Object.entries(forms).filter(([name]) => from[name] !== undefined && from[name] !== null);
    return Object.fromEntries(present.map(([name, form]) => [name, form(from[name])]));
  };
}

function labels(value: unknown): Json {
  return Object.fromEntries(Object.entries(record(value)).map(([key, each]) => [key, text(each)]));
}

export const reference = fields({ kind: text, name: text, apiVersion: text });

/** metav1.LabelSelector. */
export const selector = fields({
  matchLabels: labels,
  matchExpressions: listOf(fields({ key: text, operator: text, values: listOf(text) })),
});
