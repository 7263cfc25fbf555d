import { isQuantity, quantityMilli } from '#machinery/values/quantity.ts';

/** Bytes come whole: `100m` of memory is a slip of the pen. */
export function fractionalBytes(
  list: Record<string, string> | undefined,
  resource: string,
  field: string,
): string[] {
  const value = list?.[resource];
  if (value === undefined || !isQuantity(value) || quantityMilli(value) % 1000 === 0) return [];
  return [
    `${field}[${resource}]: fractional byte value ${JSON.stringify(value)} is invalid, must be an integer`,
  ];
}
