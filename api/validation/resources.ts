/** Requests and limits of containers and pods. Source: Kubernetes API reference, ResourceRequirements. */
import { compareQuantities, parseQuantity, QuantityError } from '#machinery/values/quantity.ts';
import type { ResourceRequirements } from '../objects.ts';
import { type Faults, NOT_NEGATIVE } from './faults.ts';
import {
  containerResourceNameFaults,
  isIntegerResource,
  isOvercommittable,
  resourceNameFaults,
} from './resource-names.ts';

const NANO = 1_000_000_000n;
const HUGE_PAGES = 'hugepages-';
const STANDARD = new Set(['cpu', 'memory', 'ephemeral-storage']);

/** Which resources can be asked for. */
type NameCheck = (name: string, field: string, faults: Faults) => void;

/** What a container asks for. */
export function checkResources(
  resources: ResourceRequirements | undefined,
  field: string,
  faults: Faults,
): void {
  if (resources) checkRequirements(resources, checkContainerResourceName, field, faults);
}

/** What all containers of a pod ask for together. */
export function checkPodResources(
  resources: ResourceRequirements | undefined,
  field: string,
  faults: Faults,
): void {
  if (!resources) return;
  if (resources.claims)
    faults.forbidden(`${field}.claims`, 'claims cannot be set for Resources at pod-level');
  checkRequirements(resources, checkPodResourceName, field, faults);
}

function checkRequirements(
  { limits = {}, requests = {} }: ResourceRequirements,
  checkName: NameCheck,
  field: string,
  faults: Faults,
): void {
  for (const name in limits) checkResource(name, limits[name]!, checkName, `${field}.limits`, faults);
  for (const name in requests) {
    const sound = checkResource(name, requests[name]!, checkName, `${field}.requests`, faults);
    const limit = limits[name];
    if (limit === undefined) {
      // What cannot be shared has no use for a request below its limit, nor without one.
      if (!isOvercommittable(name)) {
        faults.required(`${field}.limits`, 'Limit must be set for non overcommitable resources');
      }
    } else if (sound && isSound(limit))
      checkAgainstLimit(name, requests[name]!, limit, `${field}.requests`, faults);
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  if (names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory'))
    faults.forbidden(field, 'HugePages require cpu or memory');
}

/** A list of quantities that stands alone: overhead, capacity. */
export function checkQuantities(
  list: Record<string, string> | undefined,
  field: string,
  faults: Faults,
): void {
  for (const name in list) checkResource(name, list[name]!, checkContainerResourceName, field, faults);
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
function checkResource(
  name: string,
  quantity: string,
  checkName: NameCheck,
  list: string,
  faults: Faults,
): boolean {
  const field = `${list}[${name}]`;
  checkName(name, field, faults);
  // Most quantities are plain: no need to do sums with them.
  if (/^[1-9][0-9]{0,9}(m|Mi|Gi|Ki)?$/.test(quantity) && STANDARD.has(name)) return true;
  try {
    const { nano } = parseQuantity(quantity);
    if (nano < 0n) faults.invalid(field, quantity, NOT_NEGATIVE);
    if (isIntegerResource(name) && nano % NANO !== 0n) faults.invalid(field, quantity, 'must be an integer');
    if (isHugePages(name) && !isOfWholePages(name, nano))
      faults.invalid(field, quantity, `${quantity} is not positive integer multiple of ${name}`);
    return true;
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
    faults.invalid(field, quantity, error.message);
    return false;
  }
}

/** What a container can ask for: a standard resource, huge pages, or one with a domain. */
export function checkContainerResourceName(name: string, field: string, faults: Faults): void {
  if (!STANDARD.has(name)) faults.invalidFor(field, name, containerResourceNameFaults(name));
}

const OF_PODS = ['cpu', 'memory'];

function checkPodResourceName(name: string, field: string, faults: Faults): void {
  const details = resourceNameFaults(name);
  faults.invalidFor(field, name, details);
  if (details.length === 0 && !OF_PODS.includes(name) && !isHugePages(name))
    faults.notSupported(field, name, OF_PODS);
}

function isHugePages(name: string): boolean {
  return name.startsWith(HUGE_PAGES);
}

/** Whether pages of the size that the name ends with make up the amount. */
function isOfWholePages(name: string, nano: bigint): boolean {
  const size = name.slice(HUGE_PAGES.length);
  if (!isSound(size)) return false;
  const page = parseQuantity(size).nano;
  return page > 0n && page % NANO === 0n && nano % page === 0n;
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
