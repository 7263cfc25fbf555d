import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { rfc3339 } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import { nameSuffix, uuid } from '#machinery/random.ts';
import { type ClaimPlan, planClaims } from './allocations.ts';
import { alreadyExists, badRequest, conflict } from './faults.ts';
import { firstGeneration } from './generation.ts';
import {
  admissionRequest,
  admit,
  causeOf,
  type EngineParts,
  MAX_TRIES,
  refuse,
  type WriteOptions,
  writeOf,
} from './parts.ts';
import type { Written } from './storage.ts';

/** A generated name keeps this much of generateName, so that the whole is a DNS label. Source: apiserver names. */
const GENERATED_BASE = 58;

/** How often another name is generated when one exists already. Source: Kubernetes 1.30+. */
const NAME_TRIES = 8;

/** Makes an object. AlreadyExists, Invalid, BadRequest (name or namespace do not fit the path), or what a plugin says. */
export async function createObject(
  parts: EngineParts,
  kind: Kind,
  namespace: string | undefined,
  object: ApiObject,
  options: WriteOptions,
): Promise<Written> {
  prepareMetadata(parts, kind, namespace, object);
  parts.storage.refuseOversized(kind, object, options.context.request.body?.length ?? 0);
  // Admission and allocation judge by what the cache shows: a namespace that was deleted a moment ago takes nothing more.
  const behind = parts.storage.cache.caughtUp();
  if (behind) await behind;
  const generated = !object.metadata.name && object.metadata.generateName;
  for (let attempt = 1; ; attempt++) {
    if (generated) object.metadata.name = `${generated.slice(0, GENERATED_BASE)}${nameSuffix(parts.random)}`;
    if (attempt === 1) await prepare(parts, kind, namespace, object, options);
    const written = await insert(parts, kind, namespace, object, options);
    if (written) return written;
    if (!generated || attempt === NAME_TRIES) throw alreadyExists(kind, object.metadata.name);
  }
}

function prepareMetadata(
  parts: EngineParts,
  kind: Kind,
  namespace: string | undefined,
  object: ApiObject,
): void {
  object.metadata ??= { name: '' };
  const { metadata } = object;
  if (kind.namespaced) {
    if (metadata.namespace && metadata.namespace !== namespace)
      throw badRequest(
        'the namespace of the provided object does not match the namespace sent on the request',
      );
    if (namespace) metadata.namespace = namespace;
  } else delete metadata.namespace;
  if (metadata.resourceVersion && metadata.resourceVersion !== '0')
    throw new StatusError('BadRequest', 'resourceVersion should not be set on objects to be created');
  delete metadata.resourceVersion;
  // Deprecated: read, and kept nowhere.
  Reflect.deleteProperty(metadata, 'selfLink');
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  metadata.uid = uuid(parts.random);
  metadata.creationTimestamp = rfc3339(parts.clock.now());
  metadata.generation = firstGeneration(kind);
  if (metadata.generation === undefined) delete metadata.generation;
}

/** Defaults, admission and validation: everything that may refuse the object before a value is claimed for it. */
async function prepare(
  parts: EngineParts,
  kind: Kind,
  namespace: string | undefined,
  object: ApiObject,
  options: WriteOptions,
): Promise<void> {
  const { strategy } = kind;
  strategy.defaults?.(object);
  if (!options.isApplied)
    parts.trackOwners(kind, undefined, object, {
      context: options.context,
      subresource: '',
      now: parts.clock.now(),
    });
  const at = { namespace, name: object.metadata.name ?? '' };
  const request = admissionRequest('CREATE', kind, options, at, object, undefined);
  await admit(parts, 'mutate', request);
  strategy.prepareForCreate?.(object, writeOf(parts, options));
  strategy.defaults?.(object);
  const faults = [...strategy.validate(object), ...(strategy.validateCreate?.(object) ?? [])];
  refuse(kind, object.metadata.name || (object.metadata.generateName ?? ''), faults);
  options.context.warnings.push(...(strategy.warnings?.(object) ?? []));
  options.mayCreate?.();
  await admit(parts, 'validate', request);
}

/** Undefined when an object of the name exists. */
async function insert(
  parts: EngineParts,
  kind: Kind,
  namespace: string | undefined,
  asked: ApiObject,
  options: WriteOptions,
): Promise<Written | undefined> {
  const { storage } = parts;
  const key = storage.keys.object(kind, namespace, asked.metadata.name);
  const cause = causeOf(options.context);
  const avoid = new Set<string>();
  // Claiming assigns values to the object: another try must begin without them.
  const unassigned = kind.strategy.allocations && structuredClone(asked);
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    const object = attempt > 0 && unassigned ? structuredClone(unassigned) : asked;
    const claims = claim(parts, kind, object, undefined, avoid);
    const { body, ops } = storage.plan(kind, object, { key, cause, expect: 0 }, claims.ops);
    if (options.dryRun) {
      if (await storage.read(kind, namespace, object.metadata.name)) return undefined;
      return { object, bytes: body };
    }
    options.context.trace?.enter('store');
    const result = await storage.commit(ops, cause);
    if (result.ok) return storage.written(object, body, result.revision);
    if (result.key === key) return undefined;
    avoid.add(result.key);
  }
  throw conflict(kind, asked.metadata.name);
}

/** Claims and releases of a change; Invalid when a wanted value cannot be had. */
export function claim(
  parts: EngineParts,
  kind: Kind,
  object: ApiObject,
  old: ApiObject | undefined,
  avoid: ReadonlySet<string>,
): ClaimPlan {
  const requests = kind.strategy.allocations?.(object, old) ?? [];
  const world = {
    pools: parts.pools,
    cache: parts.storage.cache,
    keys: parts.storage.keys,
    random: parts.random,
    avoid,
  };
  const plan = planClaims(requests, object, world);
  refuse(kind, object.metadata.name, plan.faults);
  return plan;
}
