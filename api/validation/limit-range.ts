/** Limits of a namespace. Source: Kubernetes API reference, LimitRangeItem. */
import { compareQuantities, isQuantity, parseQuantity } from '#machinery/values/quantity.ts';
import type { LimitRange } from '../objects.ts';
import type { Faults } from './faults.ts';
import { qualifiedNameFaults } from './names.ts';
import { checkQuantity } from './quantities.ts';
import { containerResourceNameFaults, isOvercommittable, resourceNameFaults } from './resource-names.ts';

type Item = NonNullable<LimitRange['spec']>['limits'][number];
type ListName = 'max' | 'min' | 'default' | 'defaultRequest' | 'maxLimitRequestRatio';

const TYPES = ['Pod', 'Container', 'PersistentVolumeClaim'];

export function checkLimitRange(limitRange: LimitRange, faults: Faults): void {
  const seen = new Set<string>();
  for (const [index, item] of (limitRange.spec?.limits ?? []).entries()) {
    const at = `spec.limits[${index}]`;
    const { type = '' } = item;
    const details = qualifiedNameFaults(type);
    faults.invalidFor(`${at}.type`, type, details);
    if (details.length === 0 && !type.includes('/') && !TYPES.includes(type)) {
      faults.invalid(`${at}.type`, type, 'must be a standard limit type or fully qualified');
    }
    if (seen.has(type)) faults.duplicate(`${at}.type`, type);
    seen.add(type);
    checkItem(item, at, faults);
  }
}

function checkItem(item: Item, at: string, faults: Faults): void {
  checkList(item, 'max', at, faults);
  checkList(item, 'min', at, faults);
  for (const list of ['default', 'defaultRequest'] as const) {
    if (item.type !== 'Pod') checkList(item, list, at, faults);
    else if (Object.keys(item[list] ?? {}).length > 0) {
      faults.forbidden(`${at}.${list}`, "may not be specified when `type` is 'Pod'");
    }
  }
  if (item.type === 'PersistentVolumeClaim' && !item.min?.storage && !item.max?.storage) {
    const detail = 'either minimum or maximum storage value is required, but neither was provided';
    faults.required(`${at}.limits`, detail);
  }
  checkList(item, 'maxLimitRequestRatio', at, faults);
  const lists = [item.max, item.min, item.default, item.defaultRequest, item.maxLimitRequestRatio];
  const names = new Set(lists.flatMap((list) => Object.keys(list ?? {})));
  for (const name of names) {
    checkOrder(item, name, at, faults);
    checkRatio(item, name, at, faults);
  }
}

function checkList(item: Item, list: ListName, at: string, faults: Faults): void {
  const isOfContainers = item.type === 'Pod' || item.type === 'Container';
  for (const [name, quantity] of Object.entries(item[list] ?? {})) {
    const field = `${at}.${list}[${name}]`;
    const details = isOfContainers ? containerResourceNameFaults(name) : resourceNameFaults(name);
    faults.invalidFor(field, name, details);
    checkQuantity(quantity, field, faults);
  }
}

/** min ≤ defaultRequest ≤ default ≤ max, in the words of Kubernetes for each pair. */
function checkOrder(item: Item, name: string, at: string, faults: Faults): void {
  const isPod = item.type === 'Pod';
  const min = item.min?.[name];
  const max = item.max?.[name];
  const limit = isPod ? undefined : item.default?.[name];
  const request = isPod ? undefined : item.defaultRequest?.[name];
  const fault = (list: ListName, value: string | undefined, detail: string) =>
    faults.invalid(`${at}.${list}[${name}]`, value, detail);
  if (exceeds(min, max)) fault('min', min, `min value ${min} is greater than max value ${max}`);
  if (exceeds(min, request)) {
    fault('defaultRequest', request, `min value ${min} is greater than default request value ${request}`);
  }
  if (exceeds(request, max)) {
    fault('defaultRequest', request, `default request value ${request} is greater than max value ${max}`);
  }
  if (exceeds(request, limit)) {
    const detail = `default request value ${request} is greater than default limit value ${limit}`;
    fault('defaultRequest', request, detail);
  }
  if (exceeds(min, limit)) fault('default', min, `min value ${min} is greater than default value ${limit}`);
  if (exceeds(limit, max)) fault('default', max, `default value ${limit} is greater than max value ${max}`);
  if (!isOvercommittable(name) && (exceeds(limit, request) || exceeds(request, limit))) {
    const detail = `default value ${limit} must equal to defaultRequest value ${request} in ${name}`;
    fault('defaultRequest', request, detail);
  }
}

function checkRatio(item: Item, name: string, at: string, faults: Faults): void {
  const ratio = item.maxLimitRequestRatio?.[name];
  if (ratio === undefined || !isQuantity(ratio)) return;
  const field = `${at}.maxLimitRequestRatio[${name}]`;
  if (exceeds('1', ratio)) faults.invalid(field, ratio, `ratio ${ratio} is less than 1`);
  const { min, max } = { min: item.min?.[name], max: item.max?.[name] };
  if (min === undefined || max === undefined || !isQuantity(min) || !isQuantity(max)) return;
  const most = Number(parseQuantity(max).nano) / Number(parseQuantity(min).nano);
  if (Number(parseQuantity(ratio).nano) / 1e9 > most) {
    faults.invalid(field, ratio, `ratio ${ratio} is greater than max/min = ${most.toFixed(6)}`);
  }
}

/** Both are there and can be read, and the first is more. */
function exceeds(more: string | undefined, less: string | undefined): boolean {
  if (more === undefined || less === undefined || !isQuantity(more) || !isQuantity(less)) return false;
  return compareQuantities(more, less) > 0;
}
