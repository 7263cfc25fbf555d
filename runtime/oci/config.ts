/** The parts of a bundle's config.json that we write. Source: OCI runtime-spec 1.0.2, "Configuration". */

export interface OciProcess {
  terminal: boolean;
  consoleSize?: { height: number; width: number };
  user: { uid: number; gid: number; additionalGids: number[]; umask: number };
  args: string[];
  env: string[];
  cwd: string;
  capabilities: Record<'bounding' | 'effective' | 'permitted' | 'inheritable' | 'ambient', string[]>;
  rlimits: { type: string; soft: number | bigint; hard: number | bigint }[];
  noNewPrivileges: boolean;
  apparmorProfile?: string;
  oomScoreAdj: number;
}

export interface OciMount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

export interface OciDeviceRule {
  allow: boolean;
  type?: 'a' | 'b' | 'c';
  major?: number;
  minor?: number;
  access: string;
}

export interface OciSeccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures: string[];
  flags?: string[];
  syscalls: {
    names: string[];
    action: string;
    errnoRet?: number;
    args?: { index: number; value: number | bigint; valueTwo?: number | bigint; op: string }[];
  }[];
}

export interface OciConfig {
  ociVersion: string;
  process: OciProcess;
  root: { path: string; readonly: boolean };
  mounts: OciMount[];
  linux: {
    namespaces: { type: string; path?: string }[];
    cgroupsPath: string;
    rootfsPropagation: string;
    maskedPaths: string[];
    readonlyPaths: string[];
    resources: {
      devices: OciDeviceRule[];
      memory?: { limit?: number };
      cpu?: { shares?: number; quota?: number; period?: number; cpus?: string; mems?: string };
      pids?: { limit: number };
    };
    seccomp?: OciSeccomp;
  };
}

/** Newer than TypeScript's own description. Source: TC39, JSON.parse source text access. */
interface ExactJson {
  rawJSON(text: string): unknown;
}
const { rawJSON } = JSON as unknown as ExactJson;

/** JSON with whole numbers of 64 bits, of which resource limits and seccomp arguments have some. */
export function encodeConfig(value: OciConfig | OciProcess): string {
  return JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? rawJSON(String(part)) : part));
}

/** What encodeConfig wrote. Throws SyntaxError. */
export function decodeConfig(text: string): OciConfig {
  return JSON.parse(text, (_key, part, context?: { source: string }) =>
    typeof part === 'number' && !Number.isSafeInteger(part) ? BigInt(context!.source) : part,
  );
}
