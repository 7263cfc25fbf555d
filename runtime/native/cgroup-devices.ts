import type { DeviceRule } from '../contract.ts';

/**
 * Which devices a container may use, as a list for cgroup v1 and as a program for v2. Pure.
 * Source: kernel documentation, "Device Whitelist Controller"; linux/bpf.h, struct bpf_cgroup_dev_ctx.
 */

/** Always: the standard nodes, pseudo terminals, and making any node (which then opens nothing). Source: OCI, "Default Devices". */
const STANDARD: readonly DeviceRule[] = [
  ...[3, 5, 7, 8, 9].map((minor) => ({ type: 'char', major: 1, minor, access: 'rwm' }) as const),
  { type: 'char', major: 5, minor: 0, access: 'rwm' },
  { type: 'char', major: 5, minor: 2, access: 'rwm' },
  { type: 'char', major: 136, access: 'rwm' },
  { type: 'char', access: 'm' },
  { type: 'block', access: 'm' },
];

export function allowsAll(rules: readonly DeviceRule[] | 'all'): rules is 'all' {
  return rules === 'all';
}

/** Lines for devices.allow: `c 1:3 rwm`. */
export function deviceList(rules: readonly DeviceRule[]): string[] {
  return [...STANDARD, ...rules].map(
    ({ type, major, minor, access }) =>
      `${type === 'char' ? 'c' : 'b'} ${major ?? '*'}:${minor ?? '*'} ${access}`,
  );
}

/** Instruction classes and operations of BPF. Source: RFC 9669. */
const LDX_W = 0x61;
const MOV64_REG = 0xbf;
const MOV64_IMM = 0xb7;
const AND64_IMM = 0x57;
const RSH64_IMM = 0x77;
const LSH64_REG = 0x6f;
const JEQ_IMM = 0x15;
const JGT_IMM = 0x25;
const JNE_IMM = 0x55;
const EXIT = 0x95;

/** enum bpf_devcg. */
const TYPE = { block: 1, char: 2 } as const;
const ACCESS: Record<string, number> = { m: 1, r: 2, w: 4 };
const ALL_ACCESS = 7;

/** Registers: r2 = type, r3 = access, r4 = major, r5 = minor, r1 = the context, then scratch. */
const R = { result: 0, scratch: 1, type: 2, access: 3, major: 4, minor: 5 } as const;

type Instruction = [code: number, dst: number, src: number, off: number, imm: number];

/** BPF_PROG_TYPE_CGROUP_DEVICE as struct bpf_insn[]: 1 when one of the rules allows all of the access, else 0. */
export function deviceProgram(rules: readonly DeviceRule[]): Uint8Array {
  const program: Instruction[] = [
    [LDX_W, R.access, 1, 0, 0],
    [MOV64_REG, R.type, R.access, 0, 0],
    [AND64_IMM, R.type, 0, 0, 0xffff],
    [RSH64_IMM, R.access, 0, 0, 16],
    [LDX_W, R.major, 1, 4, 0],
    [LDX_W, R.minor, 1, 8, 0],
  ];
  program.push(...standard());
  for (const rule of rules) program.push(...block(rule));
  program.push([MOV64_IMM, R.result, 0, 0, 0], [EXIT, 0, 0, 0, 0]);
  return encode(program);
}

/**
 * STANDARD by hand, in a third of what its blocks would take: each container is given such a program as it starts, and the
 * kernel checks every path of it.
 */
function standard(): Instruction[] {
  const memory = STANDARD.filter(({ major }) => major === 1).map(({ minor }) => minor!);
  const [allow, next] = [14, 16];
  /** Jumps name the instruction they go to. */
  const body: [code: number, dst: number, src: number, to: number, imm: number][] = [
    [MOV64_REG, R.scratch, R.access, 0, 0],
    [AND64_IMM, R.scratch, 0, 0, ALL_ACCESS & ~ACCESS['m']!],
    [JEQ_IMM, R.scratch, 0, allow, 0],
    [JNE_IMM, R.type, 0, next, TYPE.char],
    [JEQ_IMM, R.major, 0, allow, 136],
    [JNE_IMM, R.major, 0, 8, 5],
    [JEQ_IMM, R.minor, 0, allow, 0],
    [JEQ_IMM, R.minor, 0, allow, 2],
    [JNE_IMM, R.major, 0, next, 1],
    [JGT_IMM, R.minor, 0, next, Math.max(...memory)],
    [MOV64_IMM, R.scratch, 0, 0, 1],
    [LSH64_REG, R.scratch, R.minor, 0, 0],
    [AND64_IMM, R.scratch, 0, 0, memory.reduce((mask, minor) => mask | (1 << minor), 0)],
    [JEQ_IMM, R.scratch, 0, next, 0],
    [MOV64_IMM, R.result, 0, 0, 1],
    [EXIT, 0, 0, 0, 0],
  ];
  return body.map(([code, dst, src, to, imm], at) => [code, dst, src, to === 0 ? 0 : to - at - 1, imm]);
}

/** Tests that leave for the next block, then the permission. */
function block({ type, major, minor, access }: DeviceRule): Instruction[] {
  const allowed = [...access].reduce((mask, letter) => mask | ACCESS[letter]!, 0);
  const tests: [register: number, value: number, ...before: Instruction[]][] = [[R.type, TYPE[type]]];
  if (allowed !== ALL_ACCESS) {
    // Asked for something that is not allowed?
    const rest = ALL_ACCESS & ~allowed;
    tests.push([R.scratch, 0, [MOV64_REG, R.scratch, R.access, 0, 0], [AND64_IMM, R.scratch, 0, 0, rest]]);
  }
  if (major !== undefined) tests.push([R.major, major]);
  if (minor !== undefined) tests.push([R.minor, minor]);
  const body: Instruction[] = [
    [MOV64_IMM, R.result, 0, 0, 1],
    [EXIT, 0, 0, 0, 0],
  ];
  for (const [register, value, ...before] of tests.toReversed())
    body.unshift(...before, [JNE_IMM, register, 0, body.length, value]);
  return body;
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, dst, src, off, imm]] of program.entries()) {
    bytes.writeUInt8(code, index * 8);
    bytes.writeUInt8((src << 4) | dst, index * 8 + 1);
    bytes.writeInt16LE(off, index * 8 + 2);
    bytes.writeInt32LE(imm | 0, index * 8 + 4);
  }
  return bytes;
}
