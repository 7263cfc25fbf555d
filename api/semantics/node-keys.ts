/**
 * Which keys a node's name is bound to: a ConfigMap with an entry for each node that has joined, of which only administrators
 * and the server's own parts may write. The first key is the one certified last; one before it stays good until the next renewal,
 * for the agent needs it to fetch the new certificate.
 */
export const NODE_KEYS = { name: 'gantry-node-keys', namespace: 'kube-system' } as const;

export interface BoundKeys {
  /** Hex SHA-256 of the public key (SubjectPublicKeyInfo), the newest first; at most two. */
  keys: string[];
  /** The Node object has been there: once it is gone, the name is free. */
  registered: boolean;
  /** Of a machine with a server, whose own authority certifies its node: it may come back after its Node was deleted. */
  server?: boolean;
  /** When (ms) its Node was found gone: no certificate of that name passes any more, until somebody joins under it. */
  removedMs?: number;
}

const REGISTERED = 'registered';
const SERVER = 'server';
const REMOVED = 'removed=';

/** undefined: nobody has joined under that name. */
export function boundKeys(data: Record<string, string> | undefined, node: string): BoundKeys | undefined {
  const entry = data && Object.hasOwn(data, node) ? data[node] : undefined;
  if (entry === undefined) return undefined;
  const bound: BoundKeys = { keys: [], registered: false };
  for (const word of entry.split(' ')) {
    if (word === REGISTERED) bound.registered = true;
    else if (word === SERVER) bound.server = true;
    // A time that cannot be read is long ago, and still one.
    else if (word.startsWith(REMOVED)) bound.removedMs = Date.parse(word.slice(REMOVED.length)) || 0;
    else if (word !== '') bound.keys.push(word);
  }
  return bound;
}

export function boundKeysText({ keys, registered, server, removedMs }: BoundKeys): string {
  const removed = removedMs === undefined ? [] : [REMOVED + new Date(removedMs).toISOString()];
  return [...keys, ...(registered ? [REGISTERED] : []), ...(server ? [SERVER] : []), ...removed].join(' ');
}

/** Whether a certificate for that key may be used as the node's: nobody has joined under the name, or this one has. */
export function isBoundKey(bound: BoundKeys | undefined, key: string): boolean {
  return bound === undefined || (bound.removedMs === undefined && bound.keys.includes(key));
}

/** With `key` as the newest; the one before stays. */
export function bindKey(bound: BoundKeys | undefined, key: string): BoundKeys {
  const before = (bound?.keys ?? []).filter((one) => one !== key);
  const keys = [key, ...before.slice(0, 1)];
  return { keys, registered: bound?.registered ?? false, ...(bound?.server && { server: true }) };
}
