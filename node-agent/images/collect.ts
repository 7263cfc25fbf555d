import type { EventRecorder } from '#client/events.ts';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { Digest, Image } from '#oci/contract.ts';
import type { PodRoster } from '../pods/roster.ts';
import { nodeNamed } from '../registration/node.ts';
import { imagesInUse } from './in-use.ts';
import type { TrackedImages } from './tracked.ts';

/**
 * Removes images that no pod needs when the disk fills up. Source: kubelet, imageGCHighThresholdPercent,
 * imageGCLowThresholdPercent and imageMinimumGCAge with their default values, and how often it looks.
 */
const HIGH_PERCENT = 85;
const LOW_PERCENT = 80;
const MIN_AGE_MS = 2 * 60_000;
const LOOK_MS = 5 * 60_000;

/** The file system with the images. */
export interface Disk {
  capacityBytes: number;
  availableBytes: number;
}

export interface Candidate {
  id: Digest;
  lastUsedMs: number;
  /** When it was first seen here. */
  seenMs: number;
  /** Was loaded here and has a name: nothing could bring it back. */
  pinned: boolean;
}

/** Whether images have to go. */
export function isTooFull(disk: Disk): boolean {
  return disk.capacityBytes > 0 && usedPercent(disk) >= HIGH_PERCENT;
}

/** How much has to become free; 0 = enough is. */
export function missingBytes({ capacityBytes, availableBytes }: Disk): number {
  return Math.max(0, Math.ceil((capacityBytes * (100 - LOW_PERCENT)) / 100 - availableBytes));
}

/** Whether an image is one that only who loaded it may take away: an archive that was loaded on this node, while it has a name. */
export function isPinned({ source, names }: Pick<Image, 'source' | 'names'>): boolean {
  return source === 'archive' && names.some((name) => !name.includes('@'));
}

/** The images that may go, in the order in which they do: least recently used first, then longest here. Pure. */
export function removable(images: readonly Candidate[], inUse: ReadonlySet<Digest>, nowMs: number): Digest[] {
  return images
    .filter(
      ({ id, lastUsedMs, seenMs, pinned }) =>
        !pinned && !inUse.has(id) && Math.max(lastUsedMs, seenMs) <= nowMs - MIN_AGE_MS,
    )
    .sort((a, b) => a.lastUsedMs - b.lastUsedMs || a.seenMs - b.seenMs || (a.id < b.id ? -1 : 1))
    .map(({ id }) => id);
}

function usedPercent({ capacityBytes, availableBytes }: Disk): number {
  return 100 - (availableBytes * 100) / capacityBytes;
}

export interface ImageCollectionOptions {
  images: TrackedImages;
  roster: Pick<PodRoster, 'list'>;
  disk(): Promise<Disk>;
  /** Whether an image that came from another node is still to be had of one; undefined where it never did. */
  isElsewhere?(image: Image): Promise<boolean>;
  nodeName: string;
  recorder: Pick<EventRecorder, 'record'>;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/** Removes images as the disk needs it. */
export interface ImageCollector {
  /** Looks now; who asks while a look is under way gets that one. */
  collect(): Promise<void>;
}

export function imageCollector(options: ImageCollectionOptions): ImageCollector {
  const seen = new Map<Digest, number>();
  let running: Promise<void> | undefined;
  return {
    collect: () => {
      running ??= collect(options, seen).finally(() => {
        running = undefined;
      });
      return running;
    },
  };
}

/** Looks at the disk until the signal aborts. */
export async function keepImagesInBounds(
  options: ImageCollectionOptions,
  collector = imageCollector(options),
): Promise<void> {
  const { clock, log, signal } = options;
  while (!signal.aborted) {
    try {
      await collector.collect();
    } catch (error) {
      log.warn('Images could not be looked through', { error: messageOf(error) });
      options.recorder.record(nodeNamed(options.nodeName), 'Warning', {
        reason: 'ImageGCFailed',
        message: messageOf(error),
      });
    }
    await sleep(clock, LOOK_MS, signal).catch(() => undefined);
  }
}

async function collect(options: ImageCollectionOptions, seen: Map<Digest, number>): Promise<void> {
  const { images, roster, clock } = options;
  const present = await images.list();
  const inUse = imagesInUse(roster.list(), present);
  images.note(
    present.map(({ id }) => id),
    inUse,
  );
  const there = new Set(present.map(({ id }) => id));
  for (const id of seen.keys()) if (!there.has(id)) seen.delete(id);
  // Those of the first look may have been there for long.
  const first = seen.size === 0 ? 0 : clock.now();
  for (const id of there) if (!seen.has(id)) seen.set(id, first);
  const disk = await options.disk();
  if (!isTooFull(disk)) return;
  const candidates = present.map((image) => ({
    id: image.id,
    lastUsedMs: images.lastUsedMs(image.id),
    seenMs: seen.get(image.id)!,
    pinned: isPinned(image),
  }));
  const byId = new Map(present.map((image) => [image.id, image]));
  const order = removable(candidates, inUse, clock.now()).map((id) => byId.get(id)!);
  await free(order, disk, options);
}

/** Removes one after another until there is room. Images share layers: only the disk can say what became free. */
async function free(order: readonly Image[], before: Disk, options: ImageCollectionOptions): Promise<void> {
  const { images, clock, log } = options;
  const began = clock.now();
  let disk = before;
  let failure: unknown;
  for (const image of order) {
    if (missingBytes(disk) === 0 || options.signal.aborted) break;
    const { id } = image;
    try {
      // The last copy of what came from no registry stays.
      if (image.source === 'peers' && !(await options.isElsewhere?.(image))) continue;
      if (!(await images.removeUnused(id, began - MIN_AGE_MS))) continue;
      log.info('An unused image was removed, as the disk fills up', { image: id });
    } catch (error) {
      failure ??= error;
    }
    disk = await options.disk();
  }
  if (failure !== undefined) throw failure;
  if (missingBytes(disk) > 0) sayTooLittle(before, disk, options);
}

function sayTooLittle(before: Disk, after: Disk, options: ImageCollectionOptions): void {
  const wanted = missingBytes(before);
  const found = Math.max(0, after.availableBytes - before.availableBytes);
  const message = `Failed to garbage collect required amount of images. Attempted to free ${wanted} bytes, but only found ${found} bytes eligible to free.`;
  options.log.warn(message);
  options.recorder.record(nodeNamed(options.nodeName), 'Warning', { reason: 'FreeDiskSpaceFailed', message });
}
