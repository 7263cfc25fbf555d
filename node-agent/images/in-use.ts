import { type Digest, type Image, ImageError } from '#oci/contract.ts';
import { canonicalName, parseReference } from '#oci/reference.ts';
import type { PodWorker } from '../pods/worker.ts';

/** The images of all pods that run or are to run here: what they name, what they were given, and what runs. */
export function imagesInUse(
  workers: readonly Pick<PodWorker, 'pod' | 'observed'>[],
  images: readonly Image[],
): Set<Digest> {
  const references = new Set(workers.flatMap(referencesOf));
  const used = images.filter(
    ({ id, names }) => references.has(id) || names.some((name) => references.has(name)),
  );
  return new Set(used.map(({ id }) => id));
}

function referencesOf(worker: Pick<PodWorker, 'pod' | 'observed'>): string[] {
  const { stage, images, containers } = worker.observed();
  if (stage === 'finished' || stage === 'gone') return [];
  const { spec } = worker.pod();
  const all = [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  const named = all.flatMap(({ image }) => (image ? canonical(image) : []));
  const given = [...images.values()].flatMap((one) => ('image' in one ? [one.image.id] : []));
  const running = [...containers.values()].flatMap(({ run }) => (run && !run.exit ? [run.imageId] : []));
  return [...named, ...given, ...running];
}

/** As a store names it: without the tag beside a digest. None for what names no image. */
function canonical(reference: string): string[] {
  try {
    const parsed = parseReference(reference);
    return [canonicalName(parsed.digest ? { ...parsed, tag: undefined } : parsed)];
  } catch (error) {
    // The pod is told of it where it wants the image.
    if (error instanceof ImageError) return [];
    throw error;
  }
}
