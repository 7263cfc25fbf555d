import { messageOf, StatusError } from '#machinery/errors.ts';
import type { PathHandler } from '../contract.ts';
import { type RotationOptions, type RotationProgress, type RotationResult, rotate } from './rotate.ts';

export const ROTATION_PATH = '/gantry/v1/secrets/rotation';

/** A line of the answer (JSON, one a line): progress, then the result or what went wrong. */
export type RotationLine = { progress: RotationProgress } | { result: RotationResult } | { error: string };

/** Rotates keys and tells of it while it does. `?dropUnusedKeys=true` removes keys of keys that only old backups need. */
export function rotationHandler(parts: Omit<RotationOptions, 'dropUnusedKeys'>): PathHandler {
  let running = false;
  async function* lines(dropUnusedKeys: boolean): AsyncGenerator<Uint8Array> {
    const line = (content: RotationLine) => Buffer.from(`${JSON.stringify(content)}\n`);
    try {
      const rotation = rotate({ ...parts, dropUnusedKeys });
      let step = await rotation.next();
      for (; !step.done; step = await rotation.next()) yield line({ progress: step.value });
      yield line({ result: step.value });
    } catch (error) {
      yield line({ error: messageOf(error) });
    } finally {
      running = false;
    }
  }
  return {
    path: ROTATION_PATH,
    verb: 'post',
    async serve({ info }) {
      if (running)
        throw new StatusError(
          'Conflict',
          'keys are being rotated already: wait until that has come to its end',
        );
      running = true;
      const rotation = lines(info.query.get('dropUnusedKeys') === 'true');
      // Begun before it is handed out: a client that goes at once ends it like one that goes later.
      const first = await rotation.next();
      return {
        status: 200,
        headers: { 'content-type': 'application/x-ndjson' },
        body: { [Symbol.asyncIterator]: () => resumed(first, rotation) },
      };
    },
  };
}

/** A generator from its first step on; ending it ends the generator, also before anything was read. */
function resumed<T>(first: IteratorResult<T>, rest: AsyncGenerator<T>): AsyncIterator<T> {
  let taken = false;
  return {
    next() {
      if (taken) return rest.next();
      taken = true;
      return Promise.resolve(first);
    },
    return: () => rest.return(undefined),
  };
}
