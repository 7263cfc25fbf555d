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
}

const REGISTERED = 'registered';

/** undefined: nobody has joined under that name. */
export function boundKeys(data: Record<string, string> | undefined, node: string): BoundKeys | undefined {
  const entry = data?.[node];
  if (entry === undefined) return undefined;
  const words = entry.split(' ').filter((word) => word !== '');
  return { keys: words.filter((word) => word !== REGISTERED), registered: words.includes(REGISTERED) };
}

export function boundKeysText({ keys, registered }: BoundKeys): string {
  return [...keys, ...(registered ? [REGISTERED] : [])].join(' ');
}

/** Whether a certificate for that key may be used as the node's: none is bound, or this one is. */
export function isBoundKey(bound: BoundKeys | undefined, key: string): boolean {
  return bound === undefined || bound.keys.includes(key);
}

/** With `key` as the newest; the one before stays. */
export function bindKey(bound: BoundKeys | undefined, key: string): BoundKeys {
  const before = (bound?.keys ?? []).filter((one) => one !== key);
  return { keys: [key, ...before.slice(0, 1)], registered: bound?.registered ?? false };
}
