import { join } from 'node:path';
import type { Clock } from '#machinery/clock.ts';
import type { RuntimeInfo } from '../contract.ts';
import { appArmorFile } from './apparmor.ts';
import { probeCgroups } from './cgroup.ts';
import type { NodeFacts } from './encode.ts';
import type { HelperClient } from './helper-client.ts';
import { cgroupHierarchies, ociLayout } from './oci-cgroups.ts';
import type { OciOptions } from './oci-containers.ts';
import { findHandlers } from './oci-programs.ts';
import {
  heldCapabilities,
  leastOomScoreAdj,
  ownHandler,
  probeFeatures,
  probeGroups,
  takesLayersOneByOne,
  whyNotIdmapped,
  whyNoUserNamespaces,
} from './probe.ts';
import type { StateDirectory } from './state.ts';

const HANDLER_TIMEOUT_MS = 60_000;
/** A tmpfs wherever there is a libc. */
const SOME_TMPFS = '/dev/shm';

export interface NativeRuntimeOptions {
  clock: Clock;
  /** Records of sandboxes; survives restarts of the agent. Made with mode 0700. */
  stateDirectory: string;
  /** Sockets and lock of the helper; made with mode 0700. A tmpfs will do. */
  runDirectory: string;
  /** Where helper and monitor are. */
  binDirectory: string;
  /** Root of all cgroups of this instance: a name no other instance on the machine has. */
  cgroupRoot: string;
  /** Directories, as PATH lists them, in which OCI runtimes are looked for; left out = none are. */
  handlerPath?: string;
  /** How long an OCI runtime may take to start a container; default one minute. */
  handlerTimeoutMs?: number;
}

/** What is found out about the node when a runtime opens, once. */
export interface ProbedNode {
  facts: NodeFacts;
  info: RuntimeInfo;
  oci: OciOptions;
  /** Why pods cannot have user namespaces; undefined: they can. */
  noUserNamespaces: string | undefined;
}

export async function probeNode(
  options: NativeRuntimeOptions,
  files: StateDirectory,
  helper: HelperClient,
): Promise<ProbedNode> {
  const cgroups = await probeGroups(await probeCgroups(), options.cgroupRoot, helper);
  const least = await leastOomScoreAdj();
  const hierarchies = await cgroupHierarchies();
  const facts: NodeFacts = {
    cgroups,
    ociCgroups: ociLayout(cgroups),
    hierarchies: [...hierarchies.v1, ...hierarchies.v2],
    cgroupRoot: options.cgroupRoot,
    anchor: files.anchor,
    sharedMemory: files.sharedMemory,
    sharedProc: files.sharedProc,
    leastOomScoreAdj: least,
    overlayLayersByFsconfig: takesLayersOneByOne(),
    appArmorFile: await appArmorFile(),
  };
  const oci: OciOptions = {
    facts,
    directory: join(options.runDirectory, 'oci'),
    handlers: await findHandlers(options.handlerPath ?? ''),
    hidden: cgroups.mode === 'hybrid' ? hierarchies.v2 : [],
    heldCapabilities: await heldCapabilities(),
    timeoutMs: options.handlerTimeoutMs ?? HANDLER_TIMEOUT_MS,
  };
  const [noUserNamespaces, noMemory] = await Promise.all([
    whyNoUserNamespaces(helper, files.anchor),
    whyNotIdmapped(helper, SOME_TMPFS),
  ]);
  const features = {
    ...(await probeFeatures(cgroups, least)),
    userNamespaces: noUserNamespaces === undefined,
    idmappedTmpfs: noMemory === undefined,
    appArmor: facts.appArmorFile !== undefined,
  };
  const handlers = oci.handlers.map(({ name, features }) => ({ name, features }));
  const info = {
    version: '1',
    cgroup: cgroups.mode,
    features,
    handlers: [ownHandler(features), ...handlers],
  };
  return { facts, info, oci, noUserNamespaces };
}
