/** Seccomp profiles as OCI writes them; native/seccomp compiles them. Source: OCI runtime-spec, "Seccomp". */

export type SeccompAction =
  | 'SCMP_ACT_ALLOW'
  | 'SCMP_ACT_ERRNO'
  | 'SCMP_ACT_KILL'
  | 'SCMP_ACT_KILL_THREAD'
  | 'SCMP_ACT_KILL_PROCESS'
  | 'SCMP_ACT_TRAP'
  | 'SCMP_ACT_LOG'
  /** The process's tracer decides; ENOSYS without one. */
  | 'SCMP_ACT_TRACE'
  /** Whoever listens at `listenerPath` answers; ENOSYS once nobody does. */
  | 'SCMP_ACT_NOTIFY';

/** The ABIs of x86-64, and that of arm64. */
export type SeccompArchitecture =
  | 'SCMP_ARCH_X86_64'
  | 'SCMP_ARCH_X86'
  | 'SCMP_ARCH_X32'
  | 'SCMP_ARCH_AARCH64';

export type SeccompFlag = 'SECCOMP_FILTER_FLAG_LOG' | 'SECCOMP_FILTER_FLAG_SPEC_ALLOW';

export type SeccompOperator =
  | 'SCMP_CMP_NE'
  | 'SCMP_CMP_LT'
  | 'SCMP_CMP_LE'
  | 'SCMP_CMP_EQ'
  | 'SCMP_CMP_GE'
  | 'SCMP_CMP_GT'
  | 'SCMP_CMP_MASKED_EQ';

export interface SeccompArgument {
  /** 0-5. */
  index: number;
  /** What to compare with; with MASKED_EQ the mask, and `valueTwo` the wanted bits. Up to 64 bits, of which 32-bit ABIs have the lower 32. */
  value: number | bigint;
  valueTwo?: number | bigint;
  op: SeccompOperator;
}

export interface SeccompRule {
  /** Names unknown to an architecture are left out there, as the OCI runtimes do. */
  names: string[];
  action: SeccompAction;
  /** With ERRNO; with TRACE what the tracer is told. Default: EPERM. */
  errnoRet?: number;
  /** All must hold, or any when two compare the same argument. */
  args?: SeccompArgument[];
}

export interface SeccompProfile {
  defaultAction: SeccompAction;
  defaultErrnoRet?: number;
  /** Besides x86_64, which is always one. Calls of others end the thread that makes them. */
  architectures?: SeccompArchitecture[];
  flags?: SeccompFlag[];
  /** Socket on the node that is handed the filter's descriptor of each process that gets it, and what it is told with it. */
  listenerPath?: string;
  listenerMetadata?: string;
  /** For one call the first rule that matches decides. */
  syscalls: SeccompRule[];
}
