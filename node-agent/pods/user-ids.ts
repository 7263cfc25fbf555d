import type { IdRange, Runtime, SandboxId } from '#runtime/contract.ts';

/** A pod has this many, as the kubelet gives them. */
const POD_IDS = 65_536;

/**
 * Ids that nobody has on any machine, enough for 4,093 pods. Source: systemd, "Users, Groups, UIDs and GIDs on systemd
 * Systems": 0x70000000 to 0x7ffdffff is unused, and all of it fits a signed number of 32 bits.
 */
const UNUSED_IDS: IdRange = { hostId: 0x70000000, size: 0x0ffd0000 };

/**
 * Chooses the ids of pods with user namespaces (hostUsers: false). What is in use is asked of the runtime each time, so that
 * nothing has to be kept: an agent that comes back gives none twice.
 */
export class UserIds {
  readonly #runtime: Pick<Runtime, 'list'>;
  readonly #ids: IdRange;
  /** Given and perhaps not in the runtime's list yet. */
  readonly #given = new Map<SandboxId, { range: IdRange; over: boolean }>();

  constructor(runtime: Pick<Runtime, 'list'>, ids: IdRange = UNUSED_IDS) {
    this.#runtime = runtime;
    this.#ids = ids;
  }

  /** Lets `make` make the sandbox with ids that no other has, or those it has already. Rejects when there are none left. */
  async give<T>(sandbox: SandboxId, make: (range: IdRange) => Promise<T>): Promise<T> {
    const made = [...this.#given].filter(([, { over }]) => over);
    const states = await this.#runtime.list();
    // Of what was made before, the list knows whether it is still there.
    for (const [id, given] of made) if (this.#given.get(id) === given) this.#given.delete(id);
    const taken = new Map(
      states.flatMap(({ id, userNamespace }) => (userNamespace ? [[id, userNamespace]] : [])),
    );
    for (const [id, { range }] of this.#given) taken.set(id, range);
    const range = taken.get(sandbox) ?? this.#free(sandbox, [...taken.values()]);
    const given = { range, over: false };
    this.#given.set(sandbox, given);
    try {
      return await make(range);
    } finally {
      given.over = true;
    }
  }

  /** Begins at a place of the pod's own: so two instances on one machine hardly ever meet. */
  #free(sandbox: SandboxId, taken: readonly IdRange[]): IdRange {
    const places = Math.floor(this.#ids.size / POD_IDS);
    const first = placeOf(sandbox, places);
    for (let step = 0; step < places; step++) {
      const range = { hostId: this.#ids.hostId + ((first + step) % places) * POD_IDS, size: POD_IDS };
      if (!taken.some((other) => overlap(range, other))) return range;
    }
    throw new Error(`all ids for user namespaces of pods are in use: there are enough for ${places} pods`);
  }
}

function overlap(one: IdRange, other: IdRange): boolean {
  return one.hostId < other.hostId + other.size && other.hostId < one.hostId + one.size;
}

/** FNV-1a of the name: spread evenly enough. */
function placeOf(name: string, places: number): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % places;
}
