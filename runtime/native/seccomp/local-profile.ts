import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { release } from 'node:os';
import { join, sep } from 'node:path';
import { RuntimeError } from '../../contract.ts';
import type { SeccompArchitecture, SeccompProfile, SeccompRule } from '../../seccomp-profile.ts';
import { since } from '../kernel-release.ts';
import { compileSeccomp } from './compile.ts';
import { flagsOf } from './flags.ts';
import { ABIS_OF, NATIVE, type NativeArchitecture } from './syscalls.ts';

/** Docker's default profile has 20 kB. */
const MAX_BYTES = 1024 * 1024;
const MAX_ERRNO = 4095;
/** struct sockaddr_un. */
const MAX_SOCKET_PATH = 107;
/** With the rest of the message below the limit of runtime/helper/listener.c. */
const MAX_METADATA = 8192;
/** As Debian and Go, and as Linux call the machines. */
const MACHINES: Record<NativeArchitecture, readonly string[]> = {
  SCMP_ARCH_X86_64: ['amd64', 'x86_64'],
  SCMP_ARCH_AARCH64: ['arm64', 'aarch64'],
};
/** sendmsg by us, write by runc. */
const HANDING_OVER = new Set(['sendmsg', 'write']);

/** A rule as the files of Docker and containers/common have it. */
interface FileRule extends Omit<SeccompRule, 'names' | 'args'> {
  name?: string;
  names?: string[];
  args?: SeccompRule['args'] | null;
  includes?: Condition;
  excludes?: Condition;
}

interface Condition {
  caps?: string[];
  arches?: string[];
  /** `4.8`: this kernel or a later one. */
  minKernel?: string;
}

interface ProfileFile {
  defaultAction?: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  archMap?: { architecture: string; subArchitectures?: string[] | null }[];
  flags?: string[];
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls?: FileRule[] | null;
}

function refuse(name: string, why: string): never {
  throw new RuntimeError('InvalidSpec', `cannot load seccomp profile ${JSON.stringify(name)}: ${why}`);
}

/**
 * The seccomp profile of a file below `directory`, and its filter, for a container that holds `capabilities`. Throws RuntimeError
 * InvalidSpec for a name that leads out of the directory and a file that is no profile this runtime can keep to the letter.
 * Source: Kubernetes, `localhostProfile`; OCI runtime-spec, "Seccomp"; containers/common, "seccomp.json".
 */
export function localSeccomp(
  directory: string,
  name: string,
  capabilities: readonly string[],
): { seccomp: Uint8Array; seccompProfile: SeccompProfile } {
  const text = readConfined(directory, name);
  try {
    const seccompProfile = parseProfile(JSON.parse(text) as ProfileFile, capabilities);
    return { seccomp: compileSeccomp(seccompProfile), seccompProfile };
  } catch (error) {
    refuse(name, (error as Error).message);
  }
}

function readConfined(directory: string, name: string): string {
  if (name === '' || name.startsWith('/') || name.split('/').includes('..') || name.includes('\0'))
    refuse(name, 'it is not a path below the directory of profiles');
  let descriptor: number | undefined;
  try {
    const path = realpathSync(join(directory, name));
    if (!path.startsWith(realpathSync(directory) + sep))
      refuse(name, 'it leads out of the directory of profiles');
    // Never waits for a pipe.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const about = fstatSync(descriptor);
    if (!about.isFile() || about.size > MAX_BYTES)
      refuse(name, `it is no file of at most ${MAX_BYTES} bytes`);
    return readFileSync(descriptor, 'utf8');
  } catch (error) {
    if (error instanceof RuntimeError) throw error;
    return refuse(name, (error as NodeJS.ErrnoException).code ?? String(error));
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Throws RangeError. Actions, operators and argument numbers are the compiler's to check. */
function parseProfile(file: ProfileFile, capabilities: readonly string[]): SeccompProfile {
  if (typeof file !== 'object' || file === null || typeof file.defaultAction !== 'string')
    throw new RangeError('it has no defaultAction');
  const flags = flagsOf(file.flags ?? []);
  const syscalls = (file.syscalls ?? []).filter((rule) => applies(rule, capabilities)).map(ruleOf);
  if (file.defaultAction === 'SCMP_ACT_NOTIFY')
    throw new RangeError('SCMP_ACT_NOTIFY cannot be the default action');
  const notified = syscalls.filter(({ action }) => action === 'SCMP_ACT_NOTIFY');
  return {
    defaultAction: file.defaultAction as SeccompProfile['defaultAction'],
    ...(file.defaultErrnoRet !== undefined && { defaultErrnoRet: errnoOf(file.defaultErrnoRet) }),
    architectures: architecturesOf(file),
    ...(flags.length > 0 && { flags }),
    ...(notified.length > 0 && listenerOf(file, notified)),
    syscalls,
  };
}

function listenerOf(
  { listenerPath = '', listenerMetadata }: ProfileFile,
  notified: SeccompRule[],
): Pick<SeccompProfile, 'listenerPath' | 'listenerMetadata'> {
  const bytes = Buffer.byteLength(listenerPath);
  if (!listenerPath.startsWith('/') || bytes > MAX_SOCKET_PATH || listenerPath.includes('\0'))
    throw new RangeError(
      `SCMP_ACT_NOTIFY needs a listenerPath, absolute and of at most ${MAX_SOCKET_PATH} bytes`,
    );
  if (Buffer.byteLength(listenerMetadata ?? '') > MAX_METADATA)
    throw new RangeError(`listenerMetadata has more than ${MAX_METADATA} bytes`);
  // By these the filter's descriptor gets to the listener: nobody could answer before it is there.
  const needed = notified.flatMap(({ names }) => names).find((name) => HANDING_OVER.has(name));
  if (needed) throw new RangeError(`SCMP_ACT_NOTIFY cannot be used for ${needed}`);
  return { listenerPath, ...(listenerMetadata !== undefined && { listenerMetadata }) };
}

/** Others than those of this machine do not matter. */
function architecturesOf({ architectures, archMap }: ProfileFile): SeccompArchitecture[] {
  const native = archMap?.filter(({ architecture }) => architecture === NATIVE);
  const named = architectures ??
    native?.flatMap((one) => [NATIVE, ...(one.subArchitectures ?? [])]) ?? [NATIVE];
  if (!named.includes(NATIVE)) throw new RangeError(`it is not for ${NATIVE}`);
  return ABIS_OF[NATIVE].filter((one) => named.includes(one));
}

function ruleOf({ name, names, action, errnoRet, args }: FileRule): SeccompRule {
  const all = names ?? (name === undefined ? [] : [name]);
  if (!Array.isArray(all) || all.length === 0 || all.some((one) => typeof one !== 'string'))
    throw new RangeError('a rule has no names of system calls');
  return {
    names: all,
    action,
    ...(errnoRet !== undefined && errnoRet !== null && { errnoRet: errnoOf(errnoRet) }),
    ...(args && args.length > 0 && { args }),
  };
}

function errnoOf(value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > MAX_ERRNO)
    throw new RangeError(`error number ${value} is not in 0-${MAX_ERRNO}`);
  return value;
}

function isOurs(machine: string): boolean {
  return MACHINES[NATIVE].includes(machine);
}

/** All that `includes` names must hold, and nothing that `excludes` names. */
function applies({ includes, excludes }: FileRule, capabilities: readonly string[]): boolean {
  const { caps = [], arches = [], minKernel } = includes ?? {};
  const out = excludes ?? {};
  return (
    caps.every((one) => capabilities.includes(one)) &&
    (arches.length === 0 || arches.some(isOurs)) &&
    (minKernel === undefined || kernelSince(minKernel)) &&
    !out.caps?.some((one) => capabilities.includes(one)) &&
    !out.arches?.some(isOurs) &&
    !(out.minKernel !== undefined && kernelSince(out.minKernel))
  );
}

function kernelSince(wanted: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)$/.exec(wanted) ?? [];
  if (major === undefined) throw new RangeError(`minKernel ${JSON.stringify(wanted)} is not like 4.8`);
  return since(release(), [Number(major), Number(minor)]);
}
