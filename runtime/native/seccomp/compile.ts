import type { SeccompAction, SeccompArgument, SeccompProfile, SeccompRule } from '../../seccomp-profile.ts';
import { LAST_SYSCALL, SYSCALLS } from './syscalls.ts';

/**
 * Seccomp profiles as OCI writes them, compiled to the classic BPF that seccomp(2) takes: a balanced tree over the call
 * numbers, so that each call costs about ten instructions. Source: OCI runtime-spec, "Seccomp"; seccomp(2).
 */

/** The kernel takes no longer program (BPF_MAXINSNS). */
const MAX_INSTRUCTIONS = 4096;
const MAX_JUMP = 255;
const EPERM = 1;
const ENOSYS = 38;
const AUDIT_ARCH_X86_64 = 0xc000003e;

// struct seccomp_data.
const OFFSET_NR = 0;
const OFFSET_ARCH = 4;
const OFFSET_ARGS = 16;

const LD_W_ABS = 0x20;
const JMP_JA = 0x05;
const JMP_JEQ_K = 0x15;
const JMP_JGT_K = 0x25;
const JMP_JGE_K = 0x35;
const ALU_AND_K = 0x54;
const RET_K = 0x06;

const RETURN: Record<SeccompAction, number> = {
  SCMP_ACT_ALLOW: 0x7fff0000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_KILL: 0x00000000,
  SCMP_ACT_KILL_THREAD: 0x00000000,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_NOTIFY: 0x7fc00000,
};

interface Instruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

const op = (code: number, k: number, jt = 0, jf = 0): Instruction => ({ code, jt, jf, k: k >>> 0 });
const ret = (value: number): Instruction[] => [op(RET_K, value)];

function returnValue(action: SeccompAction, errno: number | undefined): number {
  const base = RETURN[action];
  if (base === undefined) throw new RangeError(`seccomp action ${String(action)} is not supported`);
  return action === 'SCMP_ACT_ERRNO' ? base | ((errno ?? EPERM) & 0xffff) : base;
}

/** `struct sock_filter[]`, little endian; throws RangeError when the profile is unusable or too long. */
export function compileSeccomp(profile: SeccompProfile): Uint8Array {
  const otherwise = returnValue(profile.defaultAction, profile.defaultErrnoRet);
  const body = [op(LD_W_ABS, OFFSET_NR), ...tree(ranges(profile, otherwise))];
  const program = [
    op(LD_W_ABS, OFFSET_ARCH),
    op(JMP_JEQ_K, AUDIT_ARCH_X86_64, 1, 0),
    // 32-bit calls have other numbers: none of the rules can be applied to them.
    ...ret(returnValue('SCMP_ACT_ERRNO', ENOSYS)),
    ...body,
  ];
  if (program.length > MAX_INSTRUCTIONS) {
    throw new RangeError(
      `the seccomp profile needs ${program.length} instructions; the kernel takes ${MAX_INSTRUCTIONS}`,
    );
  }
  return encode(program);
}

interface Range {
  from: number;
  code: Instruction[];
  key: string;
}

/** What to do, by call number: each range holds up to the next one's `from`. */
function ranges(profile: SeccompProfile, otherwise: number): Range[] {
  const rules = new Map<number, SeccompRule[]>();
  for (const rule of profile.syscalls) {
    for (const name of rule.names) {
      const number = SYSCALLS.get(name);
      if (number !== undefined) rules.set(number, [...(rules.get(number) ?? []), rule]);
    }
  }
  const found: Range[] = [];
  const add = (from: number, code: Instruction[]) => {
    const key = JSON.stringify(code);
    if (found.at(-1)?.key !== key) found.push({ from, code, key });
  };
  for (let number = 0; number <= LAST_SYSCALL; number++)
    add(number, decide(rules.get(number) ?? [], otherwise));
  // Calls newer than this table: "not implemented", so that C libraries fall back to what they know.
  const unknown =
    profile.defaultAction === 'SCMP_ACT_ERRNO' ? returnValue('SCMP_ACT_ERRNO', ENOSYS) : otherwise;
  add(LAST_SYSCALL + 1, ret(unknown));
  // Numbers of the x32 ABI.
  add(0x40000000, ret(otherwise));
  return found;
}

function decide(rules: SeccompRule[], otherwise: number): Instruction[] {
  const code: Instruction[] = [];
  for (const rule of rules) {
    const result = ret(returnValue(rule.action, rule.errnoRet));
    if (!rule.args || rule.args.length === 0) return [...code, ...result];
    code.push(...guard(rule.args, result));
  }
  return [...code, ...ret(otherwise)];
}

/** `then` when all arguments hold; falls through behind it when one does not. */
function guard(args: SeccompArgument[], then: Instruction[]): Instruction[] {
  let code = then;
  for (const arg of args.toReversed()) code = compare(arg, code);
  return code;
}

function compare(arg: SeccompArgument, then: Instruction[]): Instruction[] {
  if (!Number.isInteger(arg.index) || arg.index < 0 || arg.index > 5) {
    throw new RangeError(`seccomp argument index ${arg.index} is not 0-5`);
  }
  const value = BigInt.asUintN(64, BigInt(arg.value));
  const high = Number(value >> 32n);
  const low = Number(value & 0xffffffffn);
  const loadLow = op(LD_W_ABS, OFFSET_ARGS + 8 * arg.index);
  const loadHigh = op(LD_W_ABS, OFFSET_ARGS + 8 * arg.index + 4);
  const skip = then.length;
  if (skip + 3 > MAX_JUMP) throw new RangeError('too many seccomp arguments for one call');
  switch (arg.op) {
    case 'SCMP_CMP_EQ':
      return [loadHigh, op(JMP_JEQ_K, high, 0, skip + 2), loadLow, op(JMP_JEQ_K, low, 0, skip), ...then];
    case 'SCMP_CMP_NE':
      return [loadHigh, op(JMP_JEQ_K, high, 0, 2), loadLow, op(JMP_JEQ_K, low, skip, 0), ...then];
    case 'SCMP_CMP_MASKED_EQ': {
      const wanted = BigInt.asUintN(64, BigInt(arg.valueTwo ?? 0));
      return [
        loadHigh,
        op(ALU_AND_K, high),
        op(JMP_JEQ_K, Number(wanted >> 32n), 0, skip + 3),
        loadLow,
        op(ALU_AND_K, low),
        op(JMP_JEQ_K, Number(wanted & 0xffffffffn), 0, skip),
        ...then,
      ];
    }
    case 'SCMP_CMP_GT':
    case 'SCMP_CMP_GE':
      return [
        loadHigh,
        op(JMP_JGT_K, high, 3, 0),
        op(JMP_JEQ_K, high, 0, skip + 2),
        loadLow,
        op(arg.op === 'SCMP_CMP_GT' ? JMP_JGT_K : JMP_JGE_K, low, 0, skip),
        ...then,
      ];
    case 'SCMP_CMP_LT':
    case 'SCMP_CMP_LE':
      return [
        loadHigh,
        op(JMP_JGT_K, high, skip + 3, 0),
        op(JMP_JEQ_K, high, 0, 2),
        loadLow,
        op(arg.op === 'SCMP_CMP_LT' ? JMP_JGE_K : JMP_JGT_K, low, skip, 0),
        ...then,
      ];
    default:
      throw new RangeError(`seccomp operator ${String(arg.op)} is not supported`);
  }
}

/** A binary search over the ranges; expects the call number in the accumulator. */
function tree(list: Range[]): Instruction[] {
  if (list.length === 1) return list[0]!.code;
  const middle = list.length >> 1;
  const below = tree(list.slice(0, middle));
  const above = tree(list.slice(middle));
  const from = list[middle]!.from;
  if (below.length <= MAX_JUMP) return [op(JMP_JGE_K, from, below.length, 0), ...below, ...above];
  return [op(JMP_JGE_K, from, 0, 1), op(JMP_JA, below.length), ...below, ...above];
}

function encode(program: Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jt, index * 8 + 2);
    bytes.writeUInt8(jf, index * 8 + 3);
    bytes.writeUInt32LE(k, index * 8 + 4);
  }
  return bytes;
}
