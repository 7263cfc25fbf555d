/**
 * Parts of a pod that change by their own subresources, under their own rights: debug containers are added, containers get
 * other amounts of cpu and memory. Everything else in what is sent is left aside. Source: core/v1 Pod.
 */
import type { ApiObject, Container, Pod } from '#api/objects.ts';
import { Faults } from '#api/validation/faults.ts';
import { checkEphemeralContainersUpdate, checkResize } from '#api/validation/pod-parts.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import { getResource } from './read.ts';
import { respondObject, type Scope } from './scope.ts';
import { sentTo } from './sent.ts';
import { applyOptionsOf, isDryRun } from './write.ts';

interface PodPart {
  subresource: string;
  /** The current pod with the part of the one that was sent. */
  take(current: Pod, sent: Pod): Pod['spec'];
  check(pod: Pod, old: Pod, faults: Faults): void;
}

const EPHEMERAL: PodPart = {
  subresource: 'ephemeralcontainers',
  take: ({ spec }, sent) => ({ ...spec!, ephemeralContainers: sent.spec?.ephemeralContainers }),
  check: checkEphemeralContainersUpdate,
};

const RESIZE: PodPart = {
  subresource: 'resize',
  take: ({ spec }, sent) => ({
    ...spec!,
    containers: resized(spec!.containers, sent.spec?.containers),
    ...(spec!.initContainers && {
      initContainers: resized(spec!.initContainers, sent.spec?.initContainers),
    }),
  }),
  check: checkResize,
};

function resized(containers: Container[], sent: Container[] = []): Container[] {
  return containers.map((container) => {
    const other = sent.find(({ name }) => name === container.name);
    if (!other) return container;
    const { resources, resizePolicy = container.resizePolicy } = other;
    return { ...container, resources, ...(resizePolicy && { resizePolicy }) };
  });
}

export const serveEphemeralContainers = (scope: Scope) => servePart(scope, EPHEMERAL);
export const serveResize = (scope: Scope) => servePart(scope, RESIZE);

async function servePart(scope: Scope, part: PodPart): Promise<TransportResponse> {
  const { context, parts, stored, namespace, name } = scope;
  const { verb, query } = context.info;
  if (verb === 'get') return getResource(scope);
  const { next, isApplied } = sentPod(scope);
  const produce = (current: ApiObject) => {
    const pod = current as Pod;
    const { metadata, ...sent } = next(structuredClone(pod));
    const spec = part.take(pod, { metadata, ...sent } as Pod);
    // The identity that was sent is checked, the rest of the metadata stays.
    const { uid, resourceVersion, managedFields = pod.metadata.managedFields } = metadata ?? {};
    const own = { ...pod.metadata, managedFields };
    return {
      ...pod,
      metadata: { ...own, ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) },
      spec,
    };
  };
  const written = await parts.engine.modify(stored, namespace, name, produce, {
    context,
    scope: 'part',
    dryRun: isDryRun(query),
    subresource: part.subresource,
    isApplied,
    validateChange(now, old) {
      const faults = new Faults();
      part.check(now as Pod, old as Pod, faults);
      return faults.list;
    },
  });
  return respondObject(scope, written.bytes);
}

/** The pod that a request wants, from the current one. */
function sentPod(scope: Scope): { next: (current: Pod) => Pod; isApplied: boolean } {
  const { kind, parts } = scope;
  const sent = sentTo(scope, kind);
  if (!sent.isApplied) return { next: (pod) => sent.from(pod) as Pod, isApplied: false };
  const options = applyOptionsOf(scope, ['status']);
  return { next: (pod) => parts.formats.apply(kind, pod, sent.config, options) as Pod, isApplied: true };
}
