import type { Pod } from '#api/objects.ts';
import type { Clock, Timer } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Files } from '#machinery/io.ts';
import type { Logger } from '#machinery/log.ts';
import { type AgentPaths, checkpointDirectory } from '../paths.ts';

/**
 * The agent's own copy of its pods, one file per UID, so that it can go on without the server: after a restart it knows
 * what runs here and why. Written a moment after a change; what a crash loses, the server still has.
 */
export interface Checkpoints {
  load(): Promise<Pod[]>;
  save(pod: Pod): void;
  remove(uid: string): Promise<void>;
  /** Writes what waits. */
  flush(): Promise<void>;
}

/** Format of the file; a newer one is left alone by an older agent. */
const VERSION = 1;
const DELAY_MS = 500;

export function checkpoints(files: Files, paths: AgentPaths, clock: Clock, log: Logger): Checkpoints {
  const directory = checkpointDirectory(paths);
  const waiting = new Map<string, Pod>();
  let timer: Timer | undefined;
  let writing: Promise<void> = Promise.resolve();

  const write = async () => {
    const pods = [...waiting];
    waiting.clear();
    for (const [uid, pod] of pods) {
      try {
        await files.write(`${directory}/${uid}.json`, JSON.stringify({ version: VERSION, pod }), 0o600);
      } catch (error) {
        log.warn('A pod could not be kept on disk', { uid, error: messageOf(error) });
      }
    }
  };
  const flush = () => {
    timer?.cancel();
    timer = undefined;
    writing = writing.then(write);
    return writing;
  };
  return {
    async load() {
      await files.mkdir(directory, 0o700);
      const pods: Pod[] = [];
      for (const name of await files.list(directory)) {
        const data = name.endsWith('.json') ? await files.read(`${directory}/${name}`) : undefined;
        const pod = data && parse(data);
        if (pod) pods.push(pod);
        else log.warn('A kept pod cannot be read and is left out', { file: name });
      }
      return pods;
    },
    save(pod) {
      waiting.set(pod.metadata.uid!, pod);
      timer ??= clock.timer(DELAY_MS, () => void flush());
    },
    async remove(uid) {
      waiting.delete(uid);
      await writing;
      await files.remove(`${directory}/${uid}.json`);
    },
    flush,
  };
}

function parse(data: Uint8Array): Pod | undefined {
  try {
    const kept = JSON.parse(Buffer.from(data).toString()) as { version?: number; pod?: Pod };
    return kept.version === VERSION && kept.pod?.metadata?.uid ? kept.pod : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
