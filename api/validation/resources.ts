/** Requests and limits of containers and pods. Source: Kubernetes API reference, ResourceRequirements. */
import { compareQuantities, parseQuantity, QuantityError } from '#machinery/values/quantity.ts';
import type { ResourceRequirements } from '../objects.ts';
import { type Faults, NOT_NEGATIVE } from './faults.ts';
import { qualifiedNameFaults } from './names.ts';
import { isOvercommittable } from './resource-names.ts';

const STANDARD = new Set(['cpu', 'memory', 'ephemeral-storage']);

export function checkResources(
  resources: ResourceRequirements | undefined,
  field: string,
  faults: Faults,
): void {
  if (!resources) return;
  const { limits = {}, requests = {} } = resources;
  for (const name in limits) checkResource(name, limits[name]!, `${field}.limits`, faults);
  for (const name in requests) {
    const sound = checkResource(name, requests[name]!, `${field}.requests`, faults);
    const limit = limits[name];
    if (limit === undefined) {
      // What cannot be shared has no use for a request below its limit, nor without one.
      if (!isOvercommittable(name)) {
        faults.required(`${field}.limits`, 'Limit must be set for non overcommitable resources');
      }
    } else if (sound && isSound(limit))
      checkAgainstLimit(name, requests[name]!, limit, `${field}.requests`, faults);
  }
}

/** A list of quantities that stands alone: overhead, capacity. */
export function checkQuantities(
  list: Record<string, string> | undefined,
  field: string,
  faults: Faults,
): void {
  for (const name in list) checkResource(name, list[name]!, field, faults);
}

function checkAgainstLimit(
  name: string,
  request: string,
  limit: string,
  field: string,
  faults: Faults,
): void {
  const order = compareQuantities(request, limit);
  if (!isOvercommittable(name)) {
    if (order !== 0) faults.invalid(field, request, `must be equal to ${name} limit of ${limit}`);
  } else if (order > 0)
    faults.invalid(field, request, `must be less than or equal to ${name} limit of ${limit}`);
}

/** Whether the quantity can be read. */
function checkResource(name: string, quantity: string, list: string, faults: Faults): boolean {
  const field = `${list}[${name}]`;
  checkContainerResourceName(name, field, faults);
  // Most quantities are plain: no need to do sums with them.
  if (/^[1-9][0-9]{0,9}(m|Mi|Gi|Ki)?$/.test(quantity) && (STANDARD.has(name) || !quantity.endsWith('m')))
    return true;
  try {
    const { nano } = parseQuantity(quantity);
    if (nano < 0n) faults.invalid(field, quantity, NOT_NEGATIVE);
    if (name.includes('/') && nano % 1_000_000_000n !== 0n)
      faults.invalid(field, quantity, 'must be an integer');
    return true;
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
    faults.invalid(field, quantity, error.message);
    return false;
  }
}

/** What a container can ask for: a standard resource, huge pages, or one with a domain. */
export function checkContainerResourceName(name: string, field: string, faults: Faults): void {
  if (STANDARD.has(name)) return;
  const details = qualifiedNameFaults(name);
  faults.invalidFor(field, name, details);
  const known = name.includes('/') || name.startsWith('hugepages-');
  if (details.length === 0 && !known)
    faults.invalid(field, name, 'must be a standard resource for containers');
}

function isSound(quantity: string): boolean {
  try {
    parseQuantity(quantity);
    return true;
  } catch (error) {
    if (error instanceof QuantityError) return false;
    throw error;
  }
}
