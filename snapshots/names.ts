const ID = /^[a-z0-9]([a-z0-9.-]{0,126}[a-z0-9])?$/;

/** A snapshot cannot be made as asked; nothing was left behind. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly code: 'InvalidName' | 'InvalidLayer' | 'LayersChanged';

  constructor(code: SnapshotError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Refuses ids that could name something outside of the snapshots' directory; throws SnapshotError InvalidName. */
export function checkId(id: string): void {
  if (!ID.test(id))
    throw new SnapshotError('InvalidName', `snapshot id ${JSON.stringify(id)} is not [a-z0-9.-]{1,128}`);
}

/** Overlay separates directories by colons and options by commas; throws SnapshotError InvalidLayer. */
export function checkLayers(layers: readonly string[]): void {
  if (layers.length === 0) throw new SnapshotError('InvalidLayer', 'a snapshot needs at least one layer');
  for (const layer of layers) {
    if (!layer.startsWith('/') || /[:,\\\n]/.test(layer)) {
      throw new SnapshotError(
        'InvalidLayer',
        `layer ${JSON.stringify(layer)} is not an absolute path without : , and \\`,
      );
    }
  }
}
