/** Pods and claims keep to the limits of their namespace. Source: Kubernetes LimitRanger admission. */
import { LimitRangeKind } from '#api/kinds/limit-range.ts';
import type { Container, LimitRange, PersistentVolumeClaim, Pod } from '#api/objects.ts';
import { isSidecar } from '#api/semantics/resources.ts';
import { addQuantities, compareQuantities, parseQuantity } from '#machinery/values/quantity.ts';
import type { AdmissionPlugin, AdmissionRequest, ObjectReader } from '../contract.ts';
import { refusal } from './refuse.ts';
import { newPod } from './service-account.ts';

type Item = NonNullable<LimitRange['spec']>['limits'][number];
type List = Record<string, string>;
type Asked = { requests?: List; limits?: List };

const ANNOTATION = 'kubernetes.io/limit-ranger';

export const limitRanger: AdmissionPlugin = {
  name: 'LimitRanger',
  mutate(request, objects) {
    const pod = newPod(request);
    if (!pod?.spec) return;
    for (const items of limitsOf(request, objects)) setDefaults(pod, items);
  },
  validate(request, objects) {
    const pod = newPod(request);
    const claim = claimOf(request);
    if (!pod?.spec && !claim) return;
    for (const items of limitsOf(request, objects)) {
      const why = pod ? podFaults(pod, items) : claimFaults(claim!, items);
      if (why.length > 0) throw refusal(request, why.length > 1 ? `[${why.join(', ')}]` : why[0]!);
    }
  },
};

/** The claim that is made or changed; one that is being deleted is left alone. */
function claimOf({ kind, operation, subresource, object, old }: AdmissionRequest) {
  if (kind.plural !== 'persistentvolumeclaims' || operation === 'DELETE' || subresource !== '')
    return undefined;
  return old?.metadata.deletionTimestamp ? undefined : (object as PersistentVolumeClaim);
}

function limitsOf({ namespace }: AdmissionRequest, objects: ObjectReader): Item[][] {
  return objects.list(LimitRangeKind, namespace).map((limitRange) => limitRange.spec?.limits ?? []);
}

/** What containers do not say is filled in, and an annotation tells so. */
function setDefaults(pod: Pod, items: readonly Item[]): void {
  const own = items.filter((item) => item.type === 'Container');
  const limits = Object.assign({}, ...own.map((item) => item.default ?? {}));
  const requests = Object.assign({}, ...own.map((item) => item.defaultRequest ?? {}));
  const notes: string[] = [];
  const groups = [
    ['container', pod.spec!.containers ?? []],
    ['init container', pod.spec!.initContainers ?? []],
  ] as const;
  for (const [what, containers] of groups) {
    for (const container of containers) {
      const named = `for ${what} ${container.name}`;
      const setRequests = fill(container, 'requests', requests);
      if (setRequests.length > 0) notes.push(`${setRequests.join(', ')} request ${named}`);
      const setLimits = fill(container, 'limits', limits);
      if (setLimits.length > 0) notes.push(`${setLimits.join(', ')} limit ${named}`);
    }
  }
  if (notes.length === 0) return;
  const note = `LimitRanger plugin set: ${notes.join('; ')}`;
  pod.metadata.annotations = { ...pod.metadata.annotations, [ANNOTATION]: note };
}

/** Names of the resources that were filled in, sorted. */
function fill(container: Container, list: 'requests' | 'limits', defaults: List): string[] {
  const missing = Object.keys(defaults)
    .filter((name) => container.resources?.[list]?.[name] === undefined)
    .sort();
  for (const name of missing) {
    container.resources ??= {};
    container.resources[list] = { ...container.resources[list], [name]: defaults[name]! };
  }
  return missing;
}

function podFaults(pod: Pod, items: readonly Item[]): string[] {
  const { containers = [], initContainers = [], resources } = pod.spec!;
  return items.flatMap((item) => {
    if (item.type === 'Container') {
      return [...containers, ...initContainers].flatMap((container) =>
        askedFaults(container.resources, item),
      );
    }
    if (item.type !== 'Pod') return [];
    const requests = { ...sumOf(containers, initContainers, 'requests'), ...resources?.requests };
    const limits = { ...sumOf(containers, initContainers, 'limits'), ...resources?.limits };
    return askedFaults({ requests, limits }, item);
  });
}

/** A claim has no limits: what it asks for is held to both ends. */
function claimFaults(claim: PersistentVolumeClaim, items: readonly Item[]): string[] {
  const { requests } = claim.spec?.resources ?? {};
  return items
    .filter((item) => item.type === 'PersistentVolumeClaim')
    .flatMap((item) => [
      ...each(item.min, (name, least) => minFault(item, name, least, { requests })),
      ...each(item.max, (name, most) => {
        const what = `maximum ${name} usage per ${item.type} is ${most}`;
        const request = requests?.[name];
        if (request === undefined) return `${what}.  No request is specified`;
        return compareQuantities(request, most) > 0 ? `${what}, but request is ${request}` : undefined;
      }),
    ]);
}

function askedFaults(asked: Asked = {}, item: Item): string[] {
  return [
    ...each(item.min, (name, least) => minFault(item, name, least, asked)),
    ...each(item.max, (name, most) => maxFault(item, name, most, asked)),
    ...each(item.maxLimitRequestRatio, (name, most) => ratioFault(item, name, most, asked)),
  ];
}

function each(list: List | undefined, judge: (name: string, bound: string) => string | undefined): string[] {
  return Object.entries(list ?? {}).flatMap(([name, bound]) => judge(name, bound) ?? []);
}

function minFault({ type }: Item, name: string, least: string, asked: Asked): string | undefined {
  const what = `minimum ${name} usage per ${type} is ${least}`;
  const request = asked.requests?.[name];
  const limit = asked.limits?.[name];
  if (request === undefined) return `${what}.  No request is specified`;
  if (compareQuantities(request, least) < 0) return `${what}, but request is ${request}`;
  return limit !== undefined && compareQuantities(limit, least) < 0
    ? `${what}, but limit is ${limit}`
    : undefined;
}

function maxFault({ type }: Item, name: string, most: string, asked: Asked): string | undefined {
  const what = `maximum ${name} usage per ${type} is ${most}`;
  const request = asked.requests?.[name];
  const limit = asked.limits?.[name];
  if (limit === undefined) return `${what}.  No limit is specified`;
  if (compareQuantities(limit, most) > 0) return `${what}, but limit is ${limit}`;
  return request !== undefined && compareQuantities(request, most) > 0
    ? `${what}, but request is ${request}`
    : undefined;
}

function ratioFault({ type }: Item, name: string, most: string, asked: Asked): string | undefined {
  const what = `${name} max limit to request ratio per ${type} is ${most}`;
  const request = numberOf(asked.requests?.[name]);
  const limit = numberOf(asked.limits?.[name]);
  if (request === 0) return `${what}, but no request is specified or request is 0`;
  if (limit === 0) return `${what}, but no limit is specified or limit is 0`;
  const ratio = limit / request;
  return ratio > numberOf(most) ? `${what}, but provided ratio is ${ratio.toFixed(6)}` : undefined;
}

function numberOf(quantity: string | undefined): number {
  return quantity === undefined ? 0 : Number(parseQuantity(quantity).nano) / 1e9;
}

/** What all containers ask for together, or while starting up when that is more. */
function sumOf(
  containers: readonly Container[],
  initContainers: readonly Container[],
  list: 'requests' | 'limits',
): List {
  let total = containers.reduce<List>((sum, { resources }) => added(sum, resources?.[list]), {});
  let sidecars: List = {};
  let peak: List = {};
  for (const container of initContainers) {
    const own = container.resources?.[list];
    if (isSidecar(container)) {
      total = added(total, own);
      sidecars = added(sidecars, own);
      peak = larger(peak, sidecars);
    } else peak = larger(peak, added(sidecars, own));
  }
  return larger(total, peak);
}

function added(a: List, b: List | undefined): List {
  const sum = { ...a };
  for (const name in b) sum[name] = addQuantities(...(a[name] === undefined ? [] : [a[name]]), b[name]!);
  return sum;
}

function larger(a: List, b: List): List {
  const most = { ...a };
  for (const name in b) {
    if (a[name] === undefined || compareQuantities(b[name]!, a[name]) > 0) most[name] = b[name]!;
  }
  return most;
}
