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
      return {
        status: 200,
        headers: { 'content-type': 'application/x-ndjson' },
        body: lines(info.query.get('dropUnusedKeys') === 'true'),
      };
    },
  };
}
