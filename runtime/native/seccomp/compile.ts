import type {
  SeccompAction,
  SeccompArchitecture,
  SeccompProfile,
  SeccompRule,
} from '../../seccomp-profile.ts';
import { guard } from './arguments.ts';
import {
  encode,
  type Instruction,
  JMP_JA,
  JMP_JEQ_K,
  JMP_JGE_K,
  LD_W_ABS,
  MAX_JUMP,
  op,
  ret,
} from './instructions.ts';
import { MULTIPLEXED_CALLS, NATIVE, type NativeArchitecture, SYSCALLS, X32_BIT } from './syscalls.ts';

/**
 * Seccomp profiles as OCI writes them, compiled to the classic BPF that seccomp(2) takes: a balanced tree over the call numbers
 * of each ABI, so that each call costs about ten instructions. What a profile leaves open is as runc and libseccomp have it.
 * Source: OCI runtime-spec, "Seccomp"; seccomp(2); libseccomp, SCMP_FLTATR_ACT_BADARCH.
 */

/** The kernel takes no longer program (BPF_MAXINSNS). */
const MAX_INSTRUCTIONS = 4096;
const EPERM = 1;
const ENOSYS = 38;
// linux/audit.h.
const AUDIT_ARCH: Record<NativeArchitecture, number> = {
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_AARCH64: 0xc00000b7,
};
const AUDIT_ARCH_I386 = 0x40000003;
/** Of a call that a tracer has taken away. */
const NO_CALL = 0xffffffff;

// struct seccomp_data.
const OFFSET_NR = 0;
const OFFSET_ARCH = 4;

const RETURN: Record<SeccompAction, number> = {
  SCMP_ACT_ALLOW: 0x7fff0000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_KILL: 0x00000000,
  SCMP_ACT_KILL_THREAD: 0x00000000,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_NOTIFY: 0x7fc00000,
};

/** Calls of an ABI that the profile does not name. */
const OTHER_ABI = RETURN.SCMP_ACT_KILL_THREAD;

function returnValue(action: SeccompAction, errno: number | undefined): number {
  const base = RETURN[action];
  if (base === undefined) throw new RangeError(`seccomp action ${String(action)} is not supported`);
  return action === 'SCMP_ACT_ERRNO' || action === 'SCMP_ACT_TRACE'
    ? base | ((errno ?? EPERM) & 0xffff)
    : base;
}

/** `struct sock_filter[]`, little endian; throws RangeError when the profile is unusable or too long. */
export function compileSeccomp(profile: SeccompProfile, machine: NativeArchitecture = NATIVE): Uint8Array {
  const native = [op(LD_W_ABS, OFFSET_NR), ...tree(nativeRanges(profile, machine))];
  const program = [
    op(LD_W_ABS, OFFSET_ARCH),
    op(JMP_JEQ_K, AUDIT_ARCH[machine], 1, 0),
    op(JMP_JA, native.length),
    ...native,
    ...(machine === 'SCMP_ARCH_X86_64' && profile.architectures?.includes('SCMP_ARCH_X86')
      ? [
          op(JMP_JEQ_K, AUDIT_ARCH_I386, 1, 0),
          ...ret(OTHER_ABI),
          op(LD_W_ABS, OFFSET_NR),
          ...tree(ranges(profile, 'SCMP_ARCH_X86')),
        ]
      : ret(OTHER_ABI)),
  ];
  if (program.length > MAX_INSTRUCTIONS) {
    throw new RangeError(
      `the seccomp profile needs ${program.length} instructions; the kernel takes ${MAX_INSTRUCTIONS}`,
    );
  }
  return encode(program);
}

/** What to do, by call number: each range holds up to the next one's `from`. */
interface Range {
  from: number;
  code: Instruction[];
}

/** Of x86_64, and behind them those of x32, as one range: so it costs the others nothing. */
function nativeRanges(profile: SeccompProfile, machine: NativeArchitecture): Range[] {
  const native = ranges(profile, machine);
  if (machine === 'SCMP_ARCH_AARCH64') return [...native, { from: NO_CALL, code: otherwise(profile) }];
  if (profile.architectures?.includes('SCMP_ARCH_X32'))
    return [...native, { from: X32_BIT, code: tree(ranges(profile, 'SCMP_ARCH_X32')) }];
  return [...native, { from: X32_BIT, code: ret(OTHER_ABI) }, { from: NO_CALL, code: otherwise(profile) }];
}

function ranges(profile: SeccompProfile, architecture: SeccompArchitecture): Range[] {
  const found: Range[] = [];
  let last: string | undefined;
  const add = (from: number, code: Instruction[]) => {
    const key = JSON.stringify(code);
    if (last !== key) found.push({ from, code });
    last = key;
  };
  let next = architecture === 'SCMP_ARCH_X32' ? X32_BIT : 0;
  const byNumber = rulesOf(profile, architecture);
  for (const [number, rules] of [...byNumber].toSorted(([one], [other]) => one - other)) {
    if (number > next) add(next, otherwise(profile));
    add(number, decide(rules, otherwise(profile), isWide(architecture)));
    next = number + 1;
  }
  add(next, byNumber.size > 0 ? newer(profile) : otherwise(profile));
  return found;
}

/** Whether its arguments have 64 bits. */
function isWide(architecture: SeccompArchitecture): boolean {
  return architecture === 'SCMP_ARCH_X86_64' || architecture === 'SCMP_ARCH_AARCH64';
}

function otherwise({ defaultAction, defaultErrnoRet }: SeccompProfile): Instruction[] {
  return ret(returnValue(defaultAction, defaultErrnoRet));
}

/**
 * Calls after the last one that the profile names are newer than it: "not implemented", so that C libraries fall back to what
 * they know. As in runc (patchbpf).
 */
function newer(profile: SeccompProfile): Instruction[] {
  const permissive = ['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE'].includes(profile.defaultAction);
  return permissive ? otherwise(profile) : ret(returnValue('SCMP_ACT_ERRNO', ENOSYS));
}

function rulesOf(profile: SeccompProfile, architecture: SeccompArchitecture): Map<number, SeccompRule[]> {
  const table = SYSCALLS[architecture];
  const found = new Map<number, SeccompRule[]>();
  const add = (name: string, rule: SeccompRule) => {
    const number = table.get(name);
    if (number === undefined) return;
    const rules = found.get(number);
    if (rules) rules.push(rule);
    else found.set(number, [rule]);
  };
  for (const rule of profile.syscalls.flatMap(separate)) {
    for (const name of rule.names) {
      add(name, rule);
      const through = architecture === 'SCMP_ARCH_X86' && MULTIPLEXED_CALLS.get(name);
      if (through) add(through.by, multiplexed(rule, through.value));
    }
  }
  return found;
}

/** A rule that compares one argument twice is one rule for each comparison. As in runc. */
function separate(rule: SeccompRule): SeccompRule[] {
  const { args = [] } = rule;
  const once = new Set(args.map(({ index }) => index)).size === args.length;
  return once ? [rule] : args.map((arg) => ({ ...rule, args: [arg] }));
}

/** The call's own arguments are behind a pointer, where a filter cannot look. As in libseccomp. */
function multiplexed(rule: SeccompRule, value: number): SeccompRule {
  const others = (rule.args ?? []).filter(({ index }) => index !== 0);
  return { ...rule, args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }, ...others] };
}

/** Of the rules of one call the first that matches. */
function decide(rules: SeccompRule[], last: Instruction[], wide: boolean): Instruction[] {
  const always = rules.findIndex(({ args }) => !args || args.length === 0);
  const conditional = always === -1 ? [...rules] : rules.slice(0, always);
  const resultOf = ({ action, errnoRet }: SeccompRule) => returnValue(action, errnoRet);
  const end = always === -1 ? last : ret(resultOf(rules[always]!));
  while (conditional.length > 0 && resultOf(conditional.at(-1)!) === end[0]!.k) conditional.pop();
  return [...conditional.flatMap((rule) => guard(rule.args!, wide, ret(resultOf(rule)))), ...end];
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
