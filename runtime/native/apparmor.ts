import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { type ContainerSpec, RuntimeError } from '../contract.ts';

/** What containers run under unless their pod names another profile, or none. */
export const DEFAULT_PROFILE = 'gantry-default';

const ENABLED = '/sys/module/apparmor/parameters/enabled';
const LABEL_FILES = ['/proc/self/attr/apparmor/exec', '/proc/self/attr/exec'];
/** runtime/helper/spawn.c. */
const LABEL_STEP = 'set AppArmor profile';
/** Not on every PATH. */
const PARSERS = ['/sbin/apparmor_parser', '/usr/sbin/apparmor_parser'];
const PARSER_TIMEOUT_MS = 30_000;

/** AppArmor as this node has it. */
export interface AppArmor {
  /** The profile of containers that name none, once it is loaded. */
  defaultProfile?: string;
  /** Why there is no default profile. */
  why?: string;
}

/**
 * The default profile's text. A container may do what its capabilities, mounts and filter leave it, but not: mount; write to
 * what in /proc and /sys is the node's; have the sockets that the default filter keeps from 64-bit programs only; watch, or send signals to, processes outside its profile. The monitor and the agent,
 * which are not confined, may send it signals. Equal in effect to the profiles of Docker and containerd.
 * Source: apparmor.d(5).
 */
export const DEFAULT_PROFILE_TEXT = `
profile ${DEFAULT_PROFILE} flags=(attach_disconnected,mediate_deleted) {
  network,
  deny network alg,
  deny network vsock,
  capability,
  file,
  umount,

  signal (receive) peer=unconfined,
  signal (send,receive) peer=${DEFAULT_PROFILE},
  ptrace (trace,read,tracedby,readby) peer=${DEFAULT_PROFILE},

  deny mount,
  deny pivot_root,

  deny /proc/* w,
  deny /proc/[^0-9st]*/** w,
  deny /proc/{scsi,tty}/** w,
  deny /proc/sys/[^k]*/** w,
  deny /proc/sys/kernel/{[^s],s[^h]}** w,
  deny /proc/{sysrq-trigger,kcore,kmem,mem} rwklx,

  deny /sys/{[^f],f[^s]}** wklx,
  deny /sys/fs/{[^c],c[^g]}** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
}
`;

/**
 * Where a process says under which profile it goes on after its next execve; undefined: the kernel does not enforce AppArmor's
 * profiles. Source: kernel documentation, "Linux Security Module Usage": other modules may own the file that has no directory.
 */
export async function appArmorFile(): Promise<string | undefined> {
  const text = await readFile(ENABLED, 'utf8').catch(() => 'N');
  return text.trim() === 'Y' ? await firstOf(LABEL_FILES) : undefined;
}

/** A start that failed for want of the profile says so; any other error stays as it is. */
export function explainProfile(spec: ContainerSpec, error: unknown): unknown {
  if (!(error instanceof RuntimeError) || error.step !== LABEL_STEP || !error.message.endsWith('ENOENT'))
    return error;
  const why = `AppArmor profile ${JSON.stringify(spec.appArmorProfile)} is not loaded`;
  return new RuntimeError('Unsupported', why, error.step);
}

/** Loads the default profile, or replaces that of an earlier version; undefined: the kernel has no AppArmor. */
export async function prepareAppArmor(): Promise<AppArmor | undefined> {
  if (!(await appArmorFile())) return undefined;
  const why = await loadProfiles(DEFAULT_PROFILE_TEXT);
  return why === undefined ? { defaultProfile: DEFAULT_PROFILE } : { why };
}

/** Compiles and loads profiles, in place of those of the same name; gives back why it could not. */
export async function loadProfiles(text: string): Promise<string | undefined> {
  const parser = await firstOf(PARSERS);
  if (!parser) return 'apparmor_parser is not installed';
  return await new Promise((resolve) => {
    const options = { timeout: PARSER_TIMEOUT_MS, encoding: 'utf8' } as const;
    const child = execFile(parser, ['--replace', '--skip-cache'], options, (error, _, said) => {
      const last = said.trim().split('\n').at(-1);
      resolve(error ? `apparmor_parser: ${last || error.message}` : undefined);
    });
    // What it does not read, its end tells of.
    child.stdin!.on('error', () => undefined);
    child.stdin!.end(text);
  });
}

async function firstOf(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths)
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  return undefined;
}
