/** Quantities that stand alone: sizes of volumes, quotas, limits. Source: Kubernetes API, resource.Quantity. */
import { parseQuantity, QuantityError, quantityValue } from '#machinery/values/quantity.ts';
import { type Faults, NOT_NEGATIVE } from './faults.ts';

const NANO = 1_000_000_000n;

/** The value in nanos; Invalid and undefined when the text is no quantity. */
export function checkQuantity(text: string, field: string, faults: Faults): bigint | undefined {
  try {
    return parseQuantity(text).nano;
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
    faults.invalid(field, text, error.message);
    return undefined;
  }
}

/** Above zero, or Invalid. */
export function checkPositiveQuantity(text: string, field: string, faults: Faults): void {
  const nano = checkQuantity(text, field, faults);
  if (nano !== undefined && nano <= 0n) faults.invalid(field, text, 'must be greater than zero');
}

/** Zero or more, or Invalid. */
export function checkQuantityNotNegative(text: string, field: string, faults: Faults): void {
  const nano = checkQuantity(text, field, faults);
  if (nano !== undefined && nano < 0n) faults.invalid(field, text, NOT_NEGATIVE);
}

/** A size: the words of Kubernetes for one below zero, which show it in whole units. */
export function checkBasicQuantity(text: string, field: string, faults: Faults): void {
  const nano = checkQuantity(text, field, faults);
  if (nano === undefined || nano >= 0n) return;
  faults.invalid(field, quantityValue(text), 'must be a valid resource quantity');
}

/** Zero or more in whole units, or Invalid. */
export function checkWholeQuantity(text: string, field: string, faults: Faults): void {
  const nano = checkQuantity(text, field, faults);
  if (nano === undefined) return;
  if (nano < 0n) faults.invalid(field, text, NOT_NEGATIVE);
  if (nano % NANO !== 0n) faults.invalid(field, text, 'must be an integer');
}
