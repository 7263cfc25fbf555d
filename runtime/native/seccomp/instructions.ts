/** Instructions of classic BPF, as far as seccomp(2) needs them. Source: linux/filter.h, linux/bpf_common.h. */

export interface Instruction {
  code: number;
  /** How many instructions to leave out when a comparison holds, and when not. */
  jt: number;
  jf: number;
  k: number;
}

export const LD_W_ABS = 0x20;
export const JMP_JA = 0x05;
export const JMP_JEQ_K = 0x15;
export const JMP_JGT_K = 0x25;
export const JMP_JGE_K = 0x35;
export const ALU_AND_K = 0x54;
export const RET_K = 0x06;

/** Of comparisons; JMP_JA goes as far as it likes. */
export const MAX_JUMP = 255;
const BYTES = 8;

export const op = (code: number, k: number, jt = 0, jf = 0): Instruction => ({ code, jt, jf, k: k >>> 0 });
export const ret = (value: number): Instruction[] => [op(RET_K, value)];

/** `struct sock_filter[]`, little endian. */
export function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(program.length * BYTES);
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    bytes.writeUInt16LE(code, index * BYTES);
    bytes.writeUInt8(jt, index * BYTES + 2);
    bytes.writeUInt8(jf, index * BYTES + 3);
    bytes.writeUInt32LE(k, index * BYTES + 4);
  }
  return bytes;
}
