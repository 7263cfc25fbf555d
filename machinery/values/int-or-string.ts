/** Fields that hold a number or a string: ports by number or name, counts or percentages. Source: intstr.IntOrString. */

export type IntOrString = number | string;

/** A string where a percentage such as `25%` was wanted. The message is the one Kubernetes gives. */
class PercentError extends Error {
  override readonly name = 'PercentError';

  constructor() {
    super('invalid value for IntOrString: invalid type: string is not a percentage');
  }
}

/** `25%` → 25; undefined when it is no whole percentage. */
export function percentOf(value: IntOrString): number | undefined {
  return typeof value === 'string' && /^[0-9]{1,9}%$/.test(value) ? Number(value.slice(0, -1)) : undefined;
}

/** The count a number or a percentage of `total` stands for; a part of one is rounded up or down. Throws PercentError. */
export function scaledValue(value: IntOrString, total: number, round: 'up' | 'down'): number {
  if (typeof value === 'number') return value;
  const percent = percentOf(value);
  if (percent === undefined) throw new PercentError();
  return round === 'up' ? Math.ceil((percent * total) / 100) : Math.floor((percent * total) / 100);
}

/** What a command line means by `text`: a number when it is a decimal int32, a string otherwise. */
export function parseIntOrString(text: string): IntOrString {
  if (!/^[+-]?[0-9]{1,10}$/.test(text)) return text;
  const value = Number(text);
  return value === (value | 0) ? value : text;
}
