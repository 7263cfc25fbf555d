/**
 * Buffers of lists that were sent, to be filled again. A new one for each list of megabytes makes V8 collect the whole
 * heap every few dozen lists, which costs more than the lists. Held weakly: without lists the next full collection
 * takes them.
 */
const STEP_BYTES = 256 * 1024;
const KEPT = 8;

const free: WeakRef<ArrayBuffer>[] = [];

/** `size` bytes of any content, and what gives them back: to be called when nobody holds them any more, or never. */
export function takeBuffer(size: number): { bytes: Buffer; giveBack(): void } {
  const memory = takeFree(size) ?? new ArrayBuffer(Math.ceil(size / STEP_BYTES) * STEP_BYTES);
  let given = false;
  return {
    bytes: Buffer.from(memory, 0, size),
    giveBack() {
      if (given) return;
      given = true;
      if (free.length === KEPT) free.shift();
      free.push(new WeakRef(memory));
    },
  };
}

/** A free one that is large enough, but not more than twice as large. */
function takeFree(size: number): ArrayBuffer | undefined {
  for (let i = free.length - 1; i >= 0; i--) {
    const memory = free[i]!.deref();
    const most = Math.max(2 * size, STEP_BYTES);
    if (memory && (memory.byteLength < size || memory.byteLength > most)) continue;
    free.splice(i, 1);
    if (memory) return memory;
  }
  return undefined;
}
