import { compileSeccomp } from './compile.ts';
import { defaultProfile } from './default-profile.ts';

export { compileSeccomp } from './compile.ts';
export { defaultProfile } from './default-profile.ts';

/** Containers of one node differ little in their capabilities. */
const KEPT = 64;
const compiled = new Map<string, Uint8Array>();

/** The filter for seccompProfile RuntimeDefault of a container that holds `capabilities` (CAP_...). */
export function defaultSeccomp(capabilities: readonly string[]): Uint8Array {
  const key = capabilities.toSorted().join();
  const known = compiled.get(key);
  if (known) return known;
  const filter = compileSeccomp(defaultProfile(capabilities));
  if (compiled.size >= KEPT) compiled.clear();
  compiled.set(key, filter);
  return filter;
}
