import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '#machinery/errors.ts';
import { type ContainerState, type ExitStatus, RuntimeError, type SandboxSpec } from '../contract.ts';

/**
 * The state directory (README.md): what is known of sandboxes when agent and monitors are gone. The monitors hold the
 * truth of what runs; this says which monitors there were, and how containers of a lost one ended.
 */

export const STATE_VERSION = 1;

export interface SandboxRecord {
  version: typeof STATE_VERSION;
  spec: SandboxSpec;
  /** Name of the monitor's socket in the run directory. */
  socket: string;
  createdAtMs: number;
}

interface ContainerRecord {
  version: typeof STATE_VERSION;
  id: string;
  labels: Record<string, string>;
  startedAtMs: number;
}

export class StateDirectory {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** An empty directory for the roots of containers. */
  get anchor(): string {
    return join(this.#path, 'anchor');
  }

  /** An empty directory where each monitor hangs its pod's /dev/shm, in its own mount namespace. */
  get sharedMemory(): string {
    return join(this.#path, 'shm');
  }

  /** An empty directory where the monitor of a pod with shared pids hangs its /proc, in its own mount namespace. */
  get sharedProc(): string {
    return join(this.#path, 'proc');
  }

  /** Rejects with RuntimeError Unsupported, and touches nothing, when a newer version keeps its state here. */
  async initialise(): Promise<void> {
    const version = Number((await readIfThere(this.#version)) ?? STATE_VERSION);
    // What is no number was cut off while it was written first: there is nothing newer then.
    if (version > STATE_VERSION) throw tooNew(this.#path, version);
    const mountPoints = [this.anchor, this.sharedMemory, this.sharedProc];
    for (const directory of [this.#path, this.#sandboxes, ...mountPoints]) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      // Also where somebody else has made it already.
      await chmod(directory, 0o700);
    }
    await replace(this.#version, STATE_VERSION);
  }

  /**
   * Records that can be read; a damaged one is returned by name, so that its sandbox can be removed, and one of a newer
   * version too, so that it is left alone.
   */
  async load(): Promise<{ records: SandboxRecord[]; damaged: string[]; newer: Map<string, number> }> {
    const records: SandboxRecord[] = [];
    const damaged: string[] = [];
    const newer = new Map<string, number>();
    for (const id of await readdir(this.#sandboxes)) {
      const record = parse<SandboxRecord>(await readIfThere(join(this.#sandboxes, id, 'sandbox.json')));
      if (record && Number(record.version) > STATE_VERSION) newer.set(id, Number(record.version));
      else if (isRecord(record, id)) records.push(record);
      else damaged.push(id);
    }
    return { records, damaged, newer };
  }

  /** What is said of a sandbox that a newer version has made. */
  tooNew(sandbox: string, version: number): RuntimeError {
    return tooNew(join(this.#sandboxes, sandbox), version);
  }

  /** Rejects with RuntimeError Kernel (step `write record`) when there is no space. */
  async save(record: SandboxRecord): Promise<void> {
    const directory = join(this.#sandboxes, record.spec.id);
    const made = mkdir(join(directory, 'containers'), { recursive: true, mode: 0o700 });
    await asStep(
      'write record',
      made.then(() => replace(join(directory, 'sandbox.json'), record)),
    );
  }

  async saveContainer(
    sandbox: string,
    id: string,
    labels: Record<string, string>,
    startedAtMs: number,
  ): Promise<void> {
    const record: ContainerRecord = { version: STATE_VERSION, id, labels, startedAtMs };
    await asStep('write record', replace(join(this.#containers(sandbox), `${id}.json`), record));
  }

  async hasContainer(sandbox: string, id: string): Promise<boolean> {
    return (await readIfThere(join(this.#containers(sandbox), `${id}.json`))) !== undefined;
  }

  /** What must be on disk for the recorded exit of a container to be found after a power failure. */
  syncedWith(sandbox: string, id: string): string[] {
    const directory = join(this.#sandboxes, sandbox);
    const records = [join(this.#containers(sandbox), `${id}.json`), join(directory, 'sandbox.json')];
    return [...records, this.#containers(sandbox), directory, this.#sandboxes];
  }

  /** Where the monitor writes down the exit. */
  exitPath(sandbox: string, id: string): string {
    return join(this.#containers(sandbox), `${id}.exit`);
  }

  async removeContainer(sandbox: string, id: string): Promise<void> {
    for (const name of [`${id}.json`, `${id}.json.new`])
      await rm(join(this.#containers(sandbox), name), { force: true });
    await rm(this.exitPath(sandbox, id), { force: true });
  }

  async remove(sandbox: string): Promise<void> {
    await rm(join(this.#sandboxes, sandbox), { recursive: true, force: true });
  }

  /** Containers of a sandbox whose monitor is gone: those without a recorded exit were lost with it. */
  async lostContainers(sandbox: string, lostAtMs: number): Promise<ContainerState[]> {
    const states: ContainerState[] = [];
    for (const name of (await readdir(this.#containers(sandbox)).catch(() => [] as string[])).sort()) {
      if (!name.endsWith('.json')) continue;
      const record = parse<ContainerRecord>(await readIfThere(join(this.#containers(sandbox), name)));
      if (!record) continue;
      const exit = parse<ExitStatus>(await readIfThere(this.exitPath(sandbox, record.id)));
      states.push({
        id: record.id,
        labels: record.labels,
        state: 'exited',
        pid: 0,
        startedAtMs: record.startedAtMs,
        exit: exit ? recorded(exit) : lost(lostAtMs),
      });
    }
    return states;
  }

  get #version(): string {
    return join(this.#path, 'version');
  }

  get #sandboxes(): string {
    return join(this.#path, 'sandboxes');
  }

  #containers(sandbox: string): string {
    return join(this.#sandboxes, sandbox, 'containers');
  }
}

function lost(finishedAtMs: number): ExitStatus {
  return {
    code: 137,
    reason: 'Lost',
    message: "the pod's monitor is gone, and with it the container",
    finishedAtMs,
  };
}

function recorded({ code, signal, reason, finishedAtMs }: ExitStatus): ExitStatus {
  return { code, ...(signal && { signal }), reason, finishedAtMs };
}

function isRecord(record: SandboxRecord | undefined, id: string): record is SandboxRecord {
  return (
    record?.version === STATE_VERSION && record.spec?.id === id && /^[a-z0-9.-]+$/.test(String(record.socket))
  );
}

function tooNew(path: string, version: number): RuntimeError {
  return new RuntimeError(
    'Unsupported',
    `${path} was written by a newer version (format ${version}, this one knows ${STATE_VERSION}): upgrade, or remove it`,
  );
}

/** Undefined for what is missing or half written. */
function parse<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return (JSON.parse(text) ?? undefined) as T | undefined;
  } catch {
    return undefined;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function replace(path: string, value: unknown): Promise<void> {
  try {
    await writeFile(`${path}.new`, JSON.stringify(value), { mode: 0o600 });
    await rename(`${path}.new`, path);
  } catch (error) {
    await rm(`${path}.new`, { force: true });
    throw error;
  }
}

/** Name of a sandbox's socket in the run directory. */
export function socketOf(sandbox: string): string {
  return `${createHash('sha256').update(sandbox).digest('hex').slice(0, 16)}.sock`;
}

/** The same promise, whose error of the file system says which step failed: RuntimeError Kernel. */
export async function asStep<T>(step: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new RuntimeError('Kernel', `${step}: ${messageOf(error)}`, step);
  }
}
