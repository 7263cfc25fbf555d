import type { SeccompArgument } from '../../seccomp-profile.ts';
import {
  ALU_AND_K,
  type Instruction,
  JMP_JEQ_K,
  JMP_JGE_K,
  JMP_JGT_K,
  LD_W_ABS,
  MAX_JUMP,
  op,
} from './instructions.ts';

/** Of `args` in struct seccomp_data. */
const OFFSET_ARGS = 16;
/** The longest comparison. */
const COMPARISON = 6;

/**
 * `then` when all arguments hold; goes on behind it when one does not. Arguments that are not `wide` have 32 bits: what stands in
 * the upper half is not the kernel's to see (a 64-bit program that makes a 32-bit call may leave anything there), and of the
 * profile's values the lower half counts, as in libseccomp.
 */
export function guard(args: readonly SeccompArgument[], wide: boolean, then: Instruction[]): Instruction[] {
  let code = then;
  for (const arg of args.toReversed()) code = compare(arg, wide, code);
  return code;
}

function compare(arg: SeccompArgument, wide: boolean, then: Instruction[]): Instruction[] {
  if (!Number.isInteger(arg.index) || arg.index < 0 || arg.index > 5) {
    throw new RangeError(`seccomp argument index ${arg.index} is not 0-5`);
  }
  if (then.length + COMPARISON > MAX_JUMP) throw new RangeError('too many seccomp arguments for one call');
  const low = compareLow(arg, then.length);
  return [...(wide ? compareHigh(arg, low.length, then.length) : []), ...low, ...then];
}

const half = (value: number | bigint | undefined, shift: bigint) =>
  Number((BigInt.asUintN(64, BigInt(value ?? 0)) >> shift) & 0xffffffffn);

/** The lower half, where the upper one is equal: leaves out `skip` instructions when it does not hold. */
function compareLow(arg: SeccompArgument, skip: number): Instruction[] {
  const value = half(arg.value, 0n);
  const load = op(LD_W_ABS, OFFSET_ARGS + 8 * arg.index);
  switch (arg.op) {
    case 'SCMP_CMP_EQ':
      return [load, op(JMP_JEQ_K, value, 0, skip)];
    case 'SCMP_CMP_NE':
      return [load, op(JMP_JEQ_K, value, skip, 0)];
    case 'SCMP_CMP_MASKED_EQ':
      return [load, op(ALU_AND_K, value), op(JMP_JEQ_K, half(arg.valueTwo, 0n), 0, skip)];
    case 'SCMP_CMP_GT':
      return [load, op(JMP_JGT_K, value, 0, skip)];
    case 'SCMP_CMP_GE':
      return [load, op(JMP_JGE_K, value, 0, skip)];
    case 'SCMP_CMP_LT':
      return [load, op(JMP_JGE_K, value, skip, 0)];
    case 'SCMP_CMP_LE':
      return [load, op(JMP_JGT_K, value, skip, 0)];
    default:
      throw new RangeError(`seccomp operator ${String(arg.op)} is not supported`);
  }
}

/** The upper half: decides alone (over the `low` instructions that follow, and `skip` more), or lets the lower half decide. */
function compareHigh(arg: SeccompArgument, low: number, skip: number): Instruction[] {
  const value = half(arg.value, 32n);
  const load = op(LD_W_ABS, OFFSET_ARGS + 8 * arg.index + 4);
  switch (arg.op) {
    case 'SCMP_CMP_EQ':
      return [load, op(JMP_JEQ_K, value, 0, low + skip)];
    case 'SCMP_CMP_NE':
      return [load, op(JMP_JEQ_K, value, 0, low)];
    case 'SCMP_CMP_MASKED_EQ':
      return [load, op(ALU_AND_K, value), op(JMP_JEQ_K, half(arg.valueTwo, 32n), 0, low + skip)];
    case 'SCMP_CMP_GT':
    case 'SCMP_CMP_GE':
      return [load, op(JMP_JGT_K, value, 1 + low, 0), op(JMP_JEQ_K, value, 0, low + skip)];
    case 'SCMP_CMP_LT':
    case 'SCMP_CMP_LE':
      return [load, op(JMP_JGT_K, value, 1 + low + skip, 0), op(JMP_JEQ_K, value, 0, low)];
  }
}
