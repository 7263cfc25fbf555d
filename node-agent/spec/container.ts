import type { Container, Pod } from '#api/objects.ts';
import type { Image } from '#oci/contract.ts';
import type { ContainerSpec, Mount } from '#runtime/contract.ts';
import { type AgentPaths, logPath } from '../paths.ts';
import { expand } from './expand.ts';
import { ConfigFault } from './fault.ts';
import type { LimitOptions } from './limits.ts';
import { containerResources, oomScoreAdj } from './resources.ts';
import { LABELS } from './sandbox.ts';
import { containerSecurity, type SecurityProfiles } from './security.ts';
import type { ResolvedUser } from './user.ts';

export interface ContainerInput {
  pod: Pod;
  container: Container;
  attempt: number;
  image: Image;
  /** What containerStatuses[].imageID says. */
  imageId: string;
  hostname: string;
  user: ResolvedUser;
  /** From env.ts. */
  env: Record<string, string>;
  root: Mount;
  /** Volumes, /etc/hosts and the like: mounts.ts and files.ts. */
  mounts: Mount[];
  profiles: SecurityProfiles;
  nodeMemoryBytes: number;
  limits?: LimitOptions;
  paths: AgentPaths;
}

/** A pod's containers get an init as process 1, which reaps and hands signals on. */
const INIT_ANNOTATION = 'gantry.dev/init';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** `<container name>.<attempt>`, the runtime's id of one start. */
export function containerId(name: string, attempt: number): string {
  return `${name}.${attempt}`;
}

/** One start of a container as the runtime's spec. Pure. Throws ConfigFault. */
export function containerSpec(input: ContainerInput): ContainerSpec {
  const { pod, container, image, user } = input;
  const security = containerSecurity(pod.spec!, container, input.profiles);
  return {
    id: containerId(container.name, input.attempt),
    labels: {
      [LABELS.container]: container.name,
      [LABELS.attempt]: String(input.attempt),
      [LABELS.image]: container.image ?? '',
      [LABELS.imageId]: input.imageId,
      [LABELS.resources]: JSON.stringify(container.resources ?? {}),
      ...(image.config.stopSignal && { [LABELS.stopSignal]: image.config.stopSignal }),
    },
    root: input.root,
    readOnlyRoot: security.readOnlyRoot,
    mounts: input.mounts,
    args: argsOf(container, image, input.env),
    env: environment(input),
    cwd: container.workingDir || image.config.workingDir || '/',
    uid: user.uid,
    gid: user.gid,
    additionalGids: user.additionalGids,
    capabilities: security.capabilities,
    noNewPrivileges: security.noNewPrivileges,
    ...(security.devices && { devices: security.devices }),
    ...(security.seccomp && { seccomp: security.seccomp, seccompProfile: security.seccompProfile }),
    ...(security.appArmorProfile !== undefined && { appArmorProfile: security.appArmorProfile }),
    maskedPaths: security.maskedPaths,
    readOnlyPaths: security.readOnlyPaths,
    rlimits: [],
    oomScoreAdj: oomScoreAdj(pod, container, input.nodeMemoryBytes),
    resources: containerResources(container, input.limits),
    tty: container.tty ?? false,
    ...(pod.metadata.annotations?.[INIT_ANNOTATION] === 'true' && { init: true }),
    stdin: container.stdin ? (container.stdinOnce ? 'once' : 'open') : 'none',
    logPath: logPath(input.paths, pod, container.name, input.attempt),
  };
}

/**
 * command replaces the image's entrypoint and drops its cmd; args replace cmd.
 * Source: Kubernetes documentation, "Define a Command and Arguments for a Container".
 */
function argsOf(container: Container, image: Image, env: Record<string, string>): string[] {
  const lookup = (name: string) => env[name];
  const command = container.command?.map((part) => expand(part, lookup));
  const args = container.args?.map((part) => expand(part, lookup));
  const all = command?.length
    ? [...command, ...(args ?? [])]
    : [...image.config.entrypoint, ...(args?.length ? args : image.config.cmd)];
  if (all.length === 0) throw new ConfigFault('no command specified', 'CreateContainerError');
  return all;
}

/** The image's variables, then the pod's; PATH, HOME and HOSTNAME when nobody says otherwise. */
function environment({ image, env, hostname, user, container }: ContainerInput): string[] {
  const all: Record<string, string> = { PATH: DEFAULT_PATH, HOSTNAME: hostname };
  if (container.tty) all['TERM'] = 'xterm';
  for (const entry of image.config.env) {
    const at = entry.indexOf('=');
    if (at > 0) all[entry.slice(0, at)] = entry.slice(at + 1);
  }
  Object.assign(all, env);
  all['HOME'] ??= user.home;
  return Object.entries(all).map(([name, value]) => `${name}=${value}`);
}
