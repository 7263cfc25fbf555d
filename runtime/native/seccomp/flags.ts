import type { SeccompFlag } from '../../seccomp-profile.ts';

/** Of seccomp(2). Source: linux/seccomp.h. */
const FLAGS: Record<SeccompFlag, number> = {
  SECCOMP_FILTER_FLAG_LOG: 1 << 1,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 1 << 2,
};

/** A process has one thread when it gets its filter: there is nobody to synchronize with. */
const NEEDLESS = 'SECCOMP_FILTER_FLAG_TSYNC';

/** The flags of that names, without those that change nothing. Throws RangeError for one that is not supported. */
export function flagsOf(names: readonly string[]): SeccompFlag[] {
  const flags = [...new Set(names)].filter((name) => name !== NEEDLESS);
  const unknown = flags.find((name) => !Object.hasOwn(FLAGS, name));
  if (unknown !== undefined) throw new RangeError(`flag ${unknown} is not supported`);
  return flags as SeccompFlag[];
}

/** The number that seccomp(2) takes. */
export function flagBits(flags: readonly SeccompFlag[]): number {
  return flags.reduce((bits, flag) => bits | FLAGS[flag], 0);
}
