/** A data key as it is kept: wrapped by a key-encryption key that never meets the store. */
export interface WrappedKey {
  /** Names the key-encryption key to its provider. */
  wrappedBy: string;
  wrapped: Uint8Array;
}

/** Holds key-encryption keys: a file, or a program that speaks to a key service. */
export interface KeyProvider {
  readonly name: string;
  /** With the newest key. `id`: of the data key, which the wrapped one is bound to where the provider can. */
  wrap(id: string, secret: Uint8Array): Promise<WrappedKey>;
  /** EncryptionKeyError when the key is not there or does not fit. */
  unwrap(id: string, key: WrappedKey): Promise<Uint8Array>;
  /** Makes a new key, which wraps from now on. Does nothing where keys are made elsewhere. */
  renew(): Promise<void>;
  /** Ids of its keys other than those, the newest never among them; removed for good when `drop`. */
  unused(used: ReadonlySet<string>, drop: boolean): Promise<string[]>;
}
