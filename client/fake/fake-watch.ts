import { type Kind, resourceName } from '#api/kind.ts';
import type { ApiObject } from '#api/objects.ts';
import type { WatchEvent, WatchOptions } from '../contract.ts';
import { fieldsOf, labelsOf } from './matching.ts';

/** A change as the fake server keeps it. */
export interface Logged {
  revision: number;
  kind: Kind<never>;
  type: 'added' | 'modified' | 'deleted';
  object: ApiObject;
  previous: ApiObject | undefined;
}

export interface Watcher extends AsyncIterable<WatchEvent<ApiObject>> {
  push(logged: Logged): void;
  bookmark(revision: string): void;
  end(): void;
}

/** A watch that sends `past`, then what is pushed, as its selectors see it: an object that stops matching is deleted. */
export function openWatch(
  kind: Kind<never>,
  options: WatchOptions,
  past: Logged[],
  watchers: Set<Watcher>,
): Watcher {
  const queue: WatchEvent<ApiObject>[] = [];
  const resource = resourceName(kind);
  const byLabels = labelsOf(options.labelSelector);
  const byFields = fieldsOf(kind as Kind, options.fieldSelector);
  const selects = (object: ApiObject | undefined) =>
    object !== undefined &&
    (!options.namespace || object.metadata.namespace === options.namespace) &&
    byLabels(object) &&
    byFields(object);
  let wake: (() => void) | undefined;
  let ended = options.signal.aborted;

  const notify = () => {
    wake?.();
    wake = undefined;
  };
  const watcher: Watcher = {
    push(logged) {
      if (resourceName(logged.kind) !== resource) return;
      const event = seenBy(selects, logged);
      if (!event) return;
      queue.push(event);
      notify();
    },
    bookmark(revision) {
      queue.push({ type: 'bookmark', resourceVersion: revision });
      notify();
    },
    end() {
      ended = true;
      watchers.delete(watcher);
      notify();
    },
    async *[Symbol.asyncIterator]() {
      try {
        while (true) {
          // A crashed client sees nothing more, whatever was on its way.
          if (options.signal.aborted) return;
          const event = queue.shift();
          if (event) yield event;
          else if (ended) return;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
      } finally {
        watcher.end();
      }
    },
  };
  options.signal.addEventListener('abort', () => watcher.end(), { once: true });
  watchers.add(watcher);
  for (const logged of past) watcher.push(logged);
  return watcher;
}

function seenBy(
  selects: (object: ApiObject | undefined) => boolean,
  logged: Logged,
): WatchEvent<ApiObject> | undefined {
  const { type, object, previous } = logged;
  const now = type !== 'deleted' && selects(object);
  const before = selects(previous);
  if (now) return { type: before ? 'modified' : 'added', object };
  if (!before) return undefined;
  if (type === 'deleted') return { type: 'deleted', object };
  return { type: 'deleted', object };
}
