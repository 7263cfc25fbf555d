import type { SnapshotMount, Snapshots } from '../contract.ts';
import { checkId, checkLayers, SnapshotError } from '../names.ts';

type Call = 'prepare' | 'remove' | 'list' | 'usage';

/** Snapshots in memory, with failures on demand. */
export class FakeSnapshots implements Snapshots {
  readonly #snapshots = new Map<string, { layers: string; usage: { bytes: number; inodes: number } }>();
  #failures: { call: Call; error: Error; times: number }[] = [];

  /** Lets the next `times` calls of that name reject. */
  fail(call: Call, error = new Error(`injected failure of ${call}`), times = 1): void {
    this.#failures.push({ call, error, times });
  }

  setUsage(id: string, usage: { bytes: number; inodes: number }): void {
    const snapshot = this.#snapshots.get(id);
    if (snapshot) snapshot.usage = usage;
  }

  async prepare(id: string, layers: readonly string[]): Promise<SnapshotMount> {
    this.#begin('prepare');
    checkId(id);
    checkLayers(layers);
    const key = layers.join('\n');
    const existing = this.#snapshots.get(id);
    if (existing && existing.layers !== key) {
      throw new SnapshotError('LayersChanged', `snapshot ${id} is over other layers: remove it first`);
    }
    if (!existing) this.#snapshots.set(id, { layers: key, usage: { bytes: 4096, inodes: 1 } });
    const options = [
      `lowerdir=${layers.toReversed().join(':')}`,
      `upperdir=/fake/${id}/fs`,
      `workdir=/fake/${id}/work`,
    ];
    return { type: 'overlay', source: 'overlay', target: '/', options };
  }

  async remove(id: string): Promise<void> {
    this.#begin('remove');
    checkId(id);
    this.#snapshots.delete(id);
  }

  async list(): Promise<string[]> {
    this.#begin('list');
    return [...this.#snapshots.keys()].sort();
  }

  async usage(id: string): Promise<{ bytes: number; inodes: number }> {
    this.#begin('usage');
    checkId(id);
    return { ...(this.#snapshots.get(id)?.usage ?? { bytes: 0, inodes: 0 }) };
  }

  #begin(call: Call): void {
    const failure = this.#failures.find((candidate) => candidate.call === call && candidate.times > 0);
    if (!failure) return;
    failure.times--;
    throw failure.error;
  }
}
