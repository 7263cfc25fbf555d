import type { FieldError, Kind, Write } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import { CAUSE_HEADER, causeOfHeader } from '#api/why.ts';
import { type Clock, rfc3339 } from '#machinery/clock.ts';
import type { Random } from '#machinery/random.ts';
import type { Identity } from '#machinery/transport.ts';
import type {
  AdmissionOperation,
  AdmissionPlugin,
  AdmissionRequest,
  ObjectReader,
  RequestContext,
} from '../contract.ts';
import type { Pools } from './allocations.ts';
import { invalid } from './faults.ts';
import type { TrackOwners } from './ownership.ts';
import type { Storage, WriteCause } from './storage.ts';

/** What the verbs work with. */
export interface EngineParts {
  storage: Storage;
  clock: Clock;
  random: Random;
  pools: Pools;
  admission: readonly AdmissionPlugin[];
  reader: ObjectReader;
  trackOwners: TrackOwners;
}

/** How a write is to be done. */
export interface WriteOptions {
  context: RequestContext;
  dryRun?: boolean;
  /** The new state comes from server-side apply, which has noted the owners of its fields. */
  isApplied?: boolean;
  /** Called before an object is made by a request that was let through to change it. Rejects with a StatusError. */
  mayCreate?(): void;
}

/** How often a write is tried anew when others change the same object; more would be a livelock nobody sees. */
export const MAX_TRIES = 24;

/** More of a name is not kept with what it wrote: headers can make it as long as they are. */
const MAX_ACTOR_LENGTH = 1024;

/** Who writes, and why where they say so; the request id leads to the log either way. */
export function causeOf({ identity, request, requestId }: RequestContext): WriteCause {
  const said = causeOfHeader(request.headers[CAUSE_HEADER]);
  const actor = identity.name.slice(0, MAX_ACTOR_LENGTH);
  return { actor, cause: said === undefined ? requestId : `${said} (${requestId})` };
}

/** The same for strategies. */
export function writeOf(
  { clock }: Pick<EngineParts, 'clock'>,
  { context, subresource = '' }: WriteOptions & { subresource?: string },
): Write {
  const warn = (text: string) => context.warnings.push(text);
  return { identity: context.identity, now: rfc3339(clock.now()), subresource, warn };
}

/** Runs one phase of all plugins, in their order. */
export async function admit(
  parts: EngineParts,
  phase: 'mutate' | 'validate',
  request: AdmissionRequest,
): Promise<void> {
  request.context.trace?.enter('admit');
  for (const plugin of parts.admission) {
    const step = plugin[phase];
    if (!step) continue;
    const running = step.call(plugin, request, parts.reader);
    if (running) await running;
  }
}

export function admissionRequest(
  operation: AdmissionOperation,
  kind: Kind,
  options: WriteOptions & { subresource?: string },
  at: { namespace: string | undefined; name: string },
  object: ApiObject | undefined,
  old: ApiObject | undefined,
): AdmissionRequest {
  return {
    operation,
    kind,
    subresource: options.subresource ?? '',
    namespace: at.namespace ?? '',
    name: at.name,
    identity: options.context.identity,
    object,
    old,
    dryRun: options.dryRun ?? false,
    context: options.context,
  };
}

/** Rejects with Invalid when there is any fault. */
export function refuse(kind: Kind, name: string, faults: FieldError[]): void {
  if (faults.length > 0) throw invalid(kind, name, faults);
}

/** A context for writes that come from the server itself. */
export function internalContext(actor: string, cause: string, signal: AbortSignal): RequestContext {
  const identity: Identity = { name: actor, groups: ['system:masters', 'system:authenticated'] };
  return {
    info: {
      verb: '',
      isResource: true,
      path: '',
      group: '',
      version: '',
      resource: '',
      subresource: '',
      namespace: '',
      name: '',
      query: new URLSearchParams(),
    },
    request: { method: 'POST', path: '', headers: {} },
    identity,
    requestId: cause,
    warnings: [],
    signal,
  };
}
