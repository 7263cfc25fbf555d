/**
 * Values that must be unique in the cluster: cluster IPs and node ports. A claim is a key of its own, written in the
 * same commit as its object, so that neither can be without the other.
 */
import type { AllocationRequest, FieldError } from '#api/kind.ts';
import { type ApiObject, keyOf } from '#api/objects.ts';
import type { Random } from '#machinery/random.ts';
import {
  cidrContains,
  cidrSize,
  formatAddress,
  nthAddress,
  parseAddress,
  parseCidr,
} from '#machinery/values/cidr.ts';
import type { Op } from '#store/contract.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import type { KeySpace } from './keys.ts';

type Pool = AllocationRequest['pool'];
type Claim = Extract<AllocationRequest, { type: 'claim' }>;

/** The values of a pool, numbered; the lower ones are left to people who ask for a certain one. */
export interface PoolRange {
  /** How many values there are. */
  size: number;
  /** The first that is handed out unasked. */
  dynamicFrom: number;
  value(index: number): string;
  contains(value: string): boolean;
  /** What to say about a wanted value outside the range, and about one that is taken. */
  outside: string;
  taken(value: string): string;
}

export type Pools = Record<Pool, PoolRange>;

/** Source: Kubernetes, "avoiding collisions when assigning ports / ClusterIPs": min(max(16, size / 16), 256). */
function staticBand(size: number, least: number, divisor: number, most: number): number {
  return size < least ? 0 : Math.min(Math.max(least, Math.floor(size / divisor)), most);
}

/** `serviceCidr` like 10.96.0.0/12; `nodePorts` like 30000-32767. */
export function poolsOf(serviceCidr: string, nodePorts: { from: number; to: number }): Pools {
  const cidr = parseCidr(serviceCidr);
  if (!cidr) throw new RangeError(`the service CIDR ${serviceCidr} is not a CIDR`);
  // IPv6 ranges are cut to what a number can count; the last address of IPv4 is the broadcast address.
  const whole = cidrSize(cidr);
  const addresses = Number(whole > 2n ** 32n ? 2n ** 32n : whole) - 2;
  const ports = nodePorts.to - nodePorts.from + 1;
  return {
    clusterIP: {
      size: addresses,
      dynamicFrom: staticBand(addresses, 16, 16, 256),
      value: (index) => formatAddress(nthAddress(cidr, index + 1)!),
      contains: (value) => {
        const address = parseAddress(value);
        return address !== undefined && cidrContains(cidr, address);
      },
      outside: `the provided IP is not in the valid range. The range of valid IPs is ${serviceCidr}`,
      taken: (value) => `failed to allocate IP ${value}: provided IP is already allocated`,
    },
    nodePort: {
      size: ports,
      dynamicFrom: staticBand(ports, 16, 32, 128),
      value: (index) => String(nodePorts.from + index),
      contains: (value) => Number(value) >= nodePorts.from && Number(value) <= nodePorts.to,
      outside: `provided port is not in the valid range. The range of valid ports is ${nodePorts.from}-${nodePorts.to}`,
      taken: () => 'provided port is already allocated',
    },
  };
}

export interface ClaimPlan {
  ops: Op[];
  faults: FieldError[];
  /** Keys of values that were picked, not asked for: a clash means picking again. */
  picked: Set<string>;
  /** The field that asked for the value of a key. */
  wanted: Map<string, { field: string; fault: FieldError }>;
}

/** Decides the values of `requests` and assigns them to the object. `avoid`: keys a failed commit found taken. */
export function planClaims(
  requests: AllocationRequest[],
  owner: ApiObject,
  world: { pools: Pools; cache: WatchCache; keys: KeySpace; random: Random; avoid: ReadonlySet<string> },
): ClaimPlan {
  const plan: ClaimPlan = { ops: [], faults: [], picked: new Set(), wanted: new Map() };
  const value = Buffer.from(
    JSON.stringify({ kind: owner.kind, object: keyOf(owner), uid: owner.metadata.uid }),
  );
  const mine = new Set<string>();
  for (const request of requests) {
    if (request.type === 'release') {
      plan.ops.push({ op: 'delete', key: world.keys.claim(request.pool, request.value) });
      continue;
    }
    const key =
      request.wanted === undefined ? pick(request, plan, mine, world) : want(request, plan, mine, world);
    if (!key) continue;
    mine.add(key);
    plan.ops.push({ op: 'put', key, value, expect: 0 });
  }
  return plan;
}

type World = Parameters<typeof planClaims>[2];

function want(request: Claim, plan: ClaimPlan, mine: Set<string>, world: World): string | undefined {
  const wanted = request.wanted!;
  const range = world.pools[request.pool];
  // As the field holds it: a number, or a list of addresses.
  const shown = request.pool === 'nodePort' ? Number(wanted) : [wanted];
  const key = world.keys.claim(request.pool, wanted);
  const fault = (detail: string): FieldError => ({
    type: 'Invalid',
    field: request.field,
    value: shown,
    detail,
  });
  if (!range.contains(wanted)) plan.faults.push(fault(range.outside));
  else if (mine.has(key) || world.cache.claimed(key) || world.avoid.has(key))
    plan.faults.push(fault(range.taken(wanted)));
  else {
    plan.wanted.set(key, { field: request.field, fault: fault(range.taken(wanted)) });
    request.assign(wanted);
    return key;
  }
  return undefined;
}

/** Random tries before the range is searched in order. */
const RANDOM_TRIES = 16;

function pick(request: Claim, plan: ClaimPlan, mine: Set<string>, world: World): string | undefined {
  const range = world.pools[request.pool];
  const free = (index: number) => {
    const value = range.value(index);
    const key = world.keys.claim(request.pool, value);
    return mine.has(key) || world.cache.claimed(key) || world.avoid.has(key) ? undefined : { key, value };
  };
  const dynamic = range.size - range.dynamicFrom;
  let found: { key: string; value: string } | undefined;
  const start = Math.floor(world.random.next() * dynamic);
  for (let i = 0; i < RANDOM_TRIES && !found; i++)
    found = free(range.dynamicFrom + Math.floor(world.random.next() * dynamic));
  // At most one lap over what can be claimed: as many steps as there are claims, plus one, find a free value.
  const steps = Math.min(range.size, world.cache.claimCount + world.avoid.size + mine.size + 1);
  for (let i = 0; i < steps && !found; i++) found = free((range.dynamicFrom + start + i) % range.size);
  if (!found) {
    plan.faults.push({
      type: 'Invalid',
      field: request.field,
      value: '',
      detail: `failed to allocate a ${request.pool}: range is full`,
    });
    return undefined;
  }
  plan.picked.add(found.key);
  request.assign(found.value);
  return found.key;
}
