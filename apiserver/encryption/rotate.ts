import type { CommitInfo, Entry, Store } from '#store/contract.ts';
import type { KeySpace } from '../engine/keys.ts';
import { sealedWith } from './envelope.ts';
import type { KeyRing } from './key-ring.ts';

/** What a rotation has done so far. */
export interface RotationProgress {
  pass: number;
  /** Values looked at in this pass. */
  seen: number;
  /** Values rewritten in all passes. */
  rewritten: number;
}

export interface RotationResult {
  rewritten: number;
  /** The data key that encrypts now; null when nothing is to be encrypted. */
  dataKey: string | null;
  droppedDataKeys: string[];
  /** Keys of keys that only older backups need. */
  unusedKeys: string[];
  /** Whether those were removed for good. */
  unusedKeysDropped: boolean;
}

export interface RotationOptions {
  store: Store;
  keys: KeySpace;
  ring: KeyRing;
  now: () => number;
  /** Resolves when this server has seen the revision. */
  seen: (revision: number) => Promise<void>;
  /** Remove keys of keys that the store does not need any more. */
  dropUnusedKeys: boolean;
}

/** Values that are in memory, and writes that are under way, at a time. */
const PAGE = 100;

/** A pass finds what was written plain or with an old key since the one before: after two there should be nothing. */
const MAX_PASSES = 10;

/**
 * Makes a new key and rewrites every value that is not as it would be written now: encrypted with an older key, plain, or of
 * a kind that is no longer encrypted. Each is replaced on condition that nobody has changed it, with its header and body as
 * they were. Old data keys are dropped once a whole pass has found nothing that needs them and the past is compacted.
 * Can be stopped anywhere and run again.
 */
export async function* rotate(options: RotationOptions): AsyncGenerator<RotationProgress, RotationResult> {
  const { store, ring } = options;
  const dataKey = ring.encrypts ? await ring.add() : null;
  let rewritten = 0;
  for (let pass = 1; ; pass++) {
    if (pass > MAX_PASSES) throw new Error('values with old keys are written again and again: by whom?');
    const before = rewritten;
    let lost = 0;
    let seen = 0;
    for await (const entries of pages(options)) {
      const outcomes = await Promise.all(entries.map((entry) => renew(entry, options)));
      seen += entries.length;
      rewritten += outcomes.filter((outcome) => outcome === 'rewritten').length;
      lost += outcomes.filter((outcome) => outcome === 'lost').length;
      yield { pass, seen, rewritten };
    }
    if (rewritten === before && lost === 0) break;
  }
  const revision = await store.revision();
  await options.seen(revision);
  await store.compact(revision);
  const droppedDataKeys = await ring.keep(new Set(dataKey === null ? [] : [dataKey]));
  return {
    rewritten,
    dataKey,
    droppedDataKeys,
    unusedKeys: await ring.unusedWrappingKeys(options.dropUnusedKeys),
    unusedKeysDropped: options.dropUnusedKeys,
  };
}

async function* pages({ store, keys }: RotationOptions): AsyncGenerator<Entry[]> {
  let after: string | undefined;
  for (;;) {
    // Each page is the newest: a snapshot of one revision could be compacted meanwhile, and another pass follows anyway.
    const page = await store.list(keys.root, { limit: PAGE, after });
    yield page.entries.filter(({ key }) => keys.isObject(key));
    after = page.entries.at(-1)?.key;
    if (!page.more || after === undefined) return;
  }
}

/** `lost`: somebody wrote it at the same time; the next pass looks at it again. */
async function renew(
  entry: Entry,
  { store, ring, now }: RotationOptions,
): Promise<'good' | 'rewritten' | 'lost'> {
  const { key, value, revision } = entry;
  if (sealedWith(value) === ring.wanted(key)) return 'good';
  const { header, body } = ring.decode(key, value);
  const put = { op: 'put' as const, key, value: ring.encode(key, header, body), expect: revision };
  const guard = ring.guard([put]);
  const info: CommitInfo = { time: now(), actor: 'system:encryption', cause: 'keys are rotated' };
  const result = await store.commit(guard ? [put, guard] : [put], info);
  return result.ok ? 'rewritten' : 'lost';
}
