import type { Pod, Service } from '#api/objects.ts';
import type { Client } from '#client/contract.ts';
import type { EventRecorder } from '#client/events.ts';
import type { Clock } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';
import type { NodeNetwork } from '#network/contract.ts';
import type { ResolvConf } from '#network/dns/resolv-conf.ts';
import type { Runtime } from '#runtime/contract.ts';
import type { Snapshots } from '#snapshots/contract.ts';
import type { VolumeDriver } from '#volumes/contract.ts';
import type { ImageService } from '../images/images.ts';
import type { AgentPaths } from '../paths.ts';
import type { HttpGet } from '../probes/http.ts';
import type { Prober } from '../probes/prober.ts';
import type { Allocatable } from '../registration/reservation.ts';
import type { PodSources } from '../sources/sources.ts';
import type { LimitOptions } from '../spec/limits.ts';
import type { SubPathResolver } from '../spec/mounts.ts';
import type { Rejection } from '../spec/rejection.ts';
import type { SecurityProfiles } from '../spec/security.ts';
import type { AccountFiles } from '../spec/user.ts';
import type { PodFiles } from './pod-files.ts';
import type { StatusWriter } from './status-writer.ts';
import type { UserIds } from './user-ids.ts';

/** What is true of the node and its cluster. */
export interface NodeFacts {
  name: string;
  /** Addresses of the node, the primary one first. */
  hostIPs: readonly string[];
  allocatable: Record<string, string>;
  memoryBytes: number;
  /** How containers are limited besides what their specs say. */
  limits?: LimitOptions;
  /** What all pods together are held to. */
  enforced?: Allocatable;
  /** Sysctls that pods may set besides the safe ones: names, or prefixes that end in `*`. */
  allowedUnsafeSysctls?: readonly string[];
  /** The node's own /etc/hosts and resolv.conf. */
  hosts: string;
  resolv: ResolvConf;
  dnsAddress: string;
  clusterDomain: string;
}

/** Everything a pod worker acts through. */
export interface PodContext {
  clock: Clock;
  log: Logger;
  client: Client;
  recorder: Pick<EventRecorder, 'record'>;
  runtime: Runtime;
  snapshots: Snapshots;
  network: NodeNetwork;
  images: ImageService;
  volumes: readonly VolumeDriver[];
  userIds: UserIds;
  sources: PodSources;
  prober: Prober;
  httpGet: HttpGet;
  status: StatusWriter;
  files: PodFiles;
  profiles: SecurityProfiles;
  paths: AgentPaths;
  node: NodeFacts;
  /** Services for environment variables; rejects with ConfigFault when they do not become known. */
  services(): Promise<Iterable<Service>>;
  accounts(layers: readonly string[]): Promise<AccountFiles>;
  resolveSubPath: SubPathResolver;
  /** Why a new pod is not taken now, whatever it is. */
  refusal?(pod: Pod): Rejection | undefined;
  /** Ends all work at once, as a crash would. */
  signal: AbortSignal;
}

/** About one container of the pod, as events name it. */
export function fieldPath(pod: Pod, container: string): string {
  const lists = ['initContainers', 'ephemeralContainers'] as const;
  const list = lists.find((one) => pod.spec?.[one]?.some(({ name }) => name === container));
  return `spec.${list ?? 'containers'}{${container}}`;
}
