/**
 * Our keys as etcd's: a prefix before each, and one reserved key that every commit writes too.
 *
 * The commit record lies at `<root>!commit`. Reserved keys sort before all others under the root, so that a list never
 * meets them. The record's own history is the index from revisions to times.
 */
import { InvalidCommitError } from '../commit.ts';

const RESERVED = '!';
/** The first character that a key may have after the root: the one after RESERVED. */
const FIRST = '"';

export class KeyLayout {
  readonly #prefix: string;
  readonly #root: string;
  readonly #first: Buffer;
  /** The key that every commit writes. */
  readonly record: Buffer;

  /** `prefix` stands before every key in etcd; all keys, with it, begin with `root`. */
  constructor(prefix: string, root: string) {
    this.#prefix = prefix;
    this.#root = root;
    this.#first = Buffer.from(root + FIRST);
    this.record = Buffer.from(`${root}${RESERVED}commit`);
  }

  toEtcd(key: string): Buffer {
    return Buffer.from(this.#prefix + key);
  }

  /** Refuses keys that the store would not list. */
  check(key: string): void {
    const full = Buffer.from(this.#prefix + key);
    if (!full.toString().startsWith(this.#root) || Buffer.compare(full, this.#first) < 0)
      throw new InvalidCommitError(`the key ${key} does not lie under ${this.#root}`);
  }

  /** Undefined when the key is reserved or belongs to someone else. */
  fromEtcd(key: Buffer): string | undefined {
    if (Buffer.compare(key, this.#first) < 0) return undefined;
    const text = key.toString();
    return text.startsWith(this.#root) ? text.slice(this.#prefix.length) : undefined;
  }

  /** All keys under a prefix, or those after `after`; undefined when there can be none. */
  range(prefix: string, after: string | undefined): { key: Buffer; range_end: Buffer } | undefined {
    const wanted = this.toEtcd(prefix);
    const root = Buffer.from(this.#root);
    const narrow = wanted.subarray(0, root.length).equals(root);
    // A prefix shorter than the root takes in all of it, any other one nothing.
    if (!narrow && !root.subarray(0, wanted.length).equals(wanted)) return undefined;
    let key = latest(narrow ? wanted : root, this.#first);
    if (after !== undefined) key = latest(key, Buffer.concat([this.toEtcd(after), Buffer.from([0])]));
    const range_end = endOf(narrow ? wanted : root);
    return Buffer.compare(key, range_end) < 0 ? { key, range_end } : undefined;
  }
}

function latest(a: Buffer, b: Buffer): Buffer {
  return Buffer.compare(a, b) < 0 ? b : a;
}

/** The first key after all that begin with `prefix`. UTF-8 never holds 0xff, so the last byte can be raised. */
function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1]! += 1;
  return end;
}
