import type { Pod } from '#api/objects.ts';
import type { Clock, Timer } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Files } from '#machinery/io.ts';
import type { Logger } from '#machinery/log.ts';
import { type AgentPaths, checkpointDirectory } from '../paths.ts';
import type { Allocation } from '../spec/allocation.ts';

/**
 * The agent's own copy of its pods, one file per UID, so that it can go on without the server: after a restart it knows
 * what runs here and why. Written a moment after a change; what a crash loses, the server still has.
 */
export interface Checkpoints {
  load(): Promise<KeptPod[]>;
  save(pod: Pod): void;
  /** What the pod has been granted: goes with it from the next write on. */
  allocate(uid: string, allocation: Allocation): void;
  remove(uid: string): Promise<void>;
  /** Writes what waits. */
  flush(): Promise<void>;
}

export interface KeptPod {
  pod: Pod;
  /** Left out by agents that could not resize. */
  allocated?: Allocation;
}

/** Format of the file; a newer one is left alone by an older agent. */
const VERSION = 1;
const DELAY_MS = 500;

export function checkpoints(files: Files, paths: AgentPaths, clock: Clock, log: Logger): Checkpoints {
  const directory = checkpointDirectory(paths);
  const waiting = new Map<string, Pod>();
  const newest = new Map<string, Pod>();
  const allocations = new Map<string, Allocation>();
  let timer: Timer | undefined;
  let writing: Promise<void> = Promise.resolve();

  const write = async () => {
    const pods = [...waiting];
    waiting.clear();
    for (const [uid, pod] of pods) {
      try {
        const allocated = allocations.get(uid);
        const kept: KeptPod = { pod, ...(allocated && { allocated }) };
        await files.write(`${directory}/${uid}.json`, JSON.stringify({ version: VERSION, ...kept }), 0o600);
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
      const pods: KeptPod[] = [];
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
      newest.set(pod.metadata.uid!, pod);
      timer ??= clock.timer(DELAY_MS, () => void flush());
    },
    allocate(uid, allocation) {
      allocations.set(uid, allocation);
      const pod = newest.get(uid);
      if (!pod) return;
      waiting.set(uid, pod);
      timer ??= clock.timer(DELAY_MS, () => void flush());
    },
    async remove(uid) {
      waiting.delete(uid);
      newest.delete(uid);
      allocations.delete(uid);
      await writing;
      await files.remove(`${directory}/${uid}.json`);
    },
    flush,
  };
}

function parse(data: Uint8Array): KeptPod | undefined {
  try {
    const kept = JSON.parse(Buffer.from(data).toString()) as { version?: number } & Partial<KeptPod>;
    const { version, pod, allocated } = kept;
    if (version !== VERSION || !pod?.metadata?.uid) return undefined;
    return { pod, ...(allocated && { allocated }) };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
