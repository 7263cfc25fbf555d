import type { Kind } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import type { Clock } from '#machinery/clock.ts';
import type { ObjectReader } from '../contract.ts';

/**
 * The object as soon as it is there, undefined when it is not within `withinMs` after all that was acknowledged before
 * has been seen. For what is made right after what was asked for just now: a namespace by another server, the default
 * service account of a new namespace.
 */
export async function appear<T extends ApiObject>(
  objects: ObjectReader,
  kind: Kind<T>,
  at: { name: string; namespace?: string },
  withinMs: number,
  clock: Clock,
): Promise<T | undefined> {
  await objects.fresh();
  const wanted = at.namespace ? `${at.namespace}/${at.name}` : at.name;
  return new Promise((resolve) => {
    let stop: (() => void) | undefined;
    let done = false;
    const finish = (object: T | undefined) => {
      if (done) return;
      done = true;
      timer.cancel();
      stop?.();
      resolve(object);
    };
    const timer = clock.timer(withinMs, () => finish(undefined));
    stop = objects.onChange(kind, (key, object) => {
      if (key === wanted && object) finish(object);
    });
    // Existing objects come within the call, before there was anything to stop.
    if (done) stop();
  });
}
