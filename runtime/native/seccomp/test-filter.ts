import type { SeccompArchitecture, SeccompArgument } from '../../seccomp-profile.ts';
import { SYSCALLS } from './syscalls.ts';

/** Filters asked without a kernel, for tests. */

export const X86_64 = 0xc000003e;
export const I386 = 0x40000003;
export const AARCH64 = 0xc00000b7;

const ARCH: Record<SeccompArchitecture, number> = {
  ...{ SCMP_ARCH_X86_64: X86_64, SCMP_ARCH_X86: I386, SCMP_ARCH_X32: X86_64, SCMP_ARCH_AARCH64: AARCH64 },
};

export const ALLOW = 0x7fff0000;
export const ERRNO = 0x00050000;
export const EPERM = ERRNO + 1;
export const ENOSYS = ERRNO + 38;
export const KILL_THREAD = 0;

/** Runs the program as the kernel would: seccomp(2), "classic BPF". Counts instructions in `steps`. */
export function run(
  filter: Uint8Array,
  nr: number,
  args: bigint[] = [],
  arch = X86_64,
): { value: number; steps: number } {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(nr >>> 0, 0);
  data.writeUInt32LE(arch, 4);
  for (const [index, arg] of args.entries()) data.writeBigUInt64LE(BigInt.asUintN(64, arg), 16 + 8 * index);
  const program = Buffer.from(filter);
  let accumulator = 0;
  let steps = 0;
  for (let at = 0; at < program.length / 8; ) {
    steps++;
    const code = program.readUInt16LE(at * 8);
    const [jt, jf] = [program.readUInt8(at * 8 + 2), program.readUInt8(at * 8 + 3)];
    const k = program.readUInt32LE(at * 8 + 4);
    at++;
    if (code === 0x20) accumulator = data.readUInt32LE(k);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x15) at += accumulator === k ? jt : jf;
    else if (code === 0x25) at += accumulator > k ? jt : jf;
    else if (code === 0x35) at += accumulator >= k ? jt : jf;
    else if (code === 0x45) at += (accumulator & k) === 0 ? jf : jt;
    else if (code === 0x06) return { value: k, steps };
    else throw new Error(`unknown instruction ${code}`);
  }
  throw new Error('the program ran over its end');
}

/** What the filter says of a call by its name; throws when the ABI has no such call. */
export function verdictOf(
  filter: Uint8Array,
  architecture: SeccompArchitecture,
  name: string,
  args: bigint[] = [],
): number {
  const number = SYSCALLS[architecture].get(name);
  if (number === undefined) throw new Error(`${architecture} has no ${name}`);
  return run(filter, number, args, ARCH[architecture]).value;
}

/** What each comparison of an argument `a` with `b`, and `c` where it has two values, means. Source: seccomp_rule_add(3). */
export const HOLDS: Record<SeccompArgument['op'], (a: bigint, b: bigint, c: bigint) => boolean> = {
  SCMP_CMP_EQ: (a, b) => a === b,
  SCMP_CMP_NE: (a, b) => a !== b,
  SCMP_CMP_LT: (a, b) => a < b,
  SCMP_CMP_LE: (a, b) => a <= b,
  SCMP_CMP_GT: (a, b) => a > b,
  SCMP_CMP_GE: (a, b) => a >= b,
  SCMP_CMP_MASKED_EQ: (a, b, c) => (a & b) === c,
};
