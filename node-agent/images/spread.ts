import { isWantedOn, type LoadedImage } from '#api/semantics/loaded-images.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { Digest, Image } from '#oci/contract.ts';
import { type Disk, isTooFull } from './collect.ts';
import type { Pulls } from './pulls.ts';
import type { TrackedImages } from './tracked.ts';

export interface SpreadOptions {
  images: Pick<TrackedImages, 'list' | 'removeUnused'>;
  pulls: Pick<Pulls, 'fetchLoaded'>;
  /** What the cluster has of images that were loaded; undefined: it is not known yet. */
  loaded(): ReadonlyMap<string, LoadedImage> | undefined;
  onChange(listener: () => void): void;
  inUse(images: readonly Image[]): ReadonlySet<Digest>;
  disk(): Promise<Disk>;
  nodeName: string;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/** What was missed is tried again, and what a pod has kept is looked at again. */
const AGAIN_MS = 30_000;
/** An image that was asked for so lately may be a pod's that is just being made. */
const UNUSED_MS = 2 * 60_000;

/** What is to be done here so that the node has what it is to have, and no copies of what the cluster has no more. */
export interface SpreadPlan {
  fetch: LoadedImage[];
  remove: Digest[];
}

/** Pure. What was `fetched` before and is here no more had to make room: it is not fetched again. */
export function planSpread(
  loaded: ReadonlyMap<string, LoadedImage>,
  present: readonly Image[],
  node: string,
  fetched: ReadonlySet<string>,
): SpreadPlan {
  const here = new Map(present.flatMap((image) => image.names.map((name) => [name, image.id] as const)));
  const fetch = [...loaded.values()].filter(
    (one) => isWantedOn(one, node) && here.get(one.name) !== one.id && !fetched.has(versionOf(one)),
  );
  const meant = ({ id, names }: Image) => names.some((name) => loaded.get(name)?.id === id);
  const remove = present.filter((image) => image.source === 'peers' && !meant(image)).map(({ id }) => id);
  return { fetch, remove };
}

/** Whether images would have to go again at once: packed and unpacked, an image takes its size twice. */
function wouldBeTooFull({ sizeBytes }: LoadedImage, { capacityBytes, availableBytes }: Disk): boolean {
  return isTooFull({ capacityBytes, availableBytes: availableBytes - 2 * sizeBytes });
}

/** One loading of one name. */
function versionOf({ name, id, manifest }: LoadedImage): string {
  return `${name} ${id} ${manifest.digest}`;
}

/** Keeps the node's copies of loaded images as the cluster wants them, until the signal aborts. */
export async function keepSpread(options: SpreadOptions): Promise<void> {
  const { clock, log, signal } = options;
  let wake = () => {};
  options.onChange(() => wake());
  const fetched = new Set<string>();
  while (!signal.aborted) {
    const changed = new AbortController();
    wake = () => changed.abort();
    try {
      await spread(options, fetched);
    } catch (error) {
      log.warn('The images of the cluster could not be looked through', { error: messageOf(error) });
    }
    // Either ends the wait.
    await sleep(clock, AGAIN_MS, AbortSignal.any([signal, changed.signal])).catch(() => undefined);
  }
}

async function spread(options: SpreadOptions, fetched: Set<string>): Promise<void> {
  const { images, pulls, log, clock, nodeName, signal } = options;
  const loaded = options.loaded();
  if (!loaded) return;
  const present = await images.list();
  const { fetch, remove } = planSpread(loaded, present, nodeName, fetched);
  const inUse = options.inUse(present);
  for (const id of remove) if (!inUse.has(id)) await images.removeUnused(id, clock.now() - UNUSED_MS);
  for (const one of fetch) {
    if (signal.aborted) return;
    if (wouldBeTooFull(one, await options.disk())) {
      log.warn('An image of the cluster is not fetched: the disk is too full', { image: one.name });
      return;
    }
    try {
      const { from } = await pulls.fetchLoaded(one);
      fetched.add(versionOf(one));
      log.info('An image of the cluster was fetched', { image: one.name, from: from.join(', ') });
    } catch (error) {
      if (signal.aborted) return;
      log.warn('An image of the cluster could not be fetched', { image: one.name, error: messageOf(error) });
    }
  }
}
