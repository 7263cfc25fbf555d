import type { Op } from '#store/contract.ts';
import { decodeValue, encodeValue, type StoredValue, type ValueHeader } from '#store/value.ts';

/** How objects become stored values and back. Synchronous: the watch cache decodes as events arrive. */
export interface ValueCodec {
  /** Throws ValueFormatError when the header is too large. */
  encode(key: string, header: ValueHeader, body: Uint8Array): Uint8Array;
  /** Throws ValueFormatError for what is damaged or was moved from another key, EncryptionKeyError without its key. */
  decode(key: string, value: Uint8Array): StoredValue;
  /** To be part of a commit of these: it fails when another server has changed the keys since they were encoded. */
  guard(ops: readonly Op[]): Op | undefined;
}

/** A key that is needed is not there, or does not fit. Nothing is lost as long as the key can be brought back. */
export class EncryptionKeyError extends Error {
  override readonly name = 'EncryptionKeyError';
}

/** Without encryption. */
export const plainCodec: ValueCodec = {
  encode: (_key, header, body) => encodeValue(header, body),
  decode: (_key, value) => decodeValue(value),
  guard: () => undefined,
};
