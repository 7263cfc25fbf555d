import type { Pod } from '#api/objects.ts';

/**
 * Where the agent keeps things. `dataDir` survives reboots; `memoryDir` is a directory on a tmpfs for what must never reach
 * a disk. Everything of one pod is below directories named after its UID, so that removing it needs no list.
 */
export interface AgentPaths {
  dataDir: string;
  memoryDir: string;
}

type PodName = Pick<Pod, 'metadata'>;

/** The network the node was last given: with it the agent can start, and be cleared away, without the server. */
export function networkConfigPath(paths: AgentPaths): string {
  return `${paths.dataDir}/network.json`;
}

/** The agent's own copy of the pods it is to run. */
export function checkpointDirectory(paths: AgentPaths): string {
  return `${paths.dataDir}/agent/pods`;
}

export function podDirectory(paths: AgentPaths, uid: string): string {
  return `${paths.dataDir}/pods/${uid}`;
}

export function podMemoryDirectory(paths: AgentPaths, uid: string): string {
  return `${paths.memoryDir}/pods/${uid}`;
}

export function volumeDirectory(
  paths: AgentPaths,
  uid: string,
  driver: { name: string },
  volume: string,
  inMemory: boolean,
): string {
  const pod = inMemory ? podMemoryDirectory(paths, uid) : podDirectory(paths, uid);
  return `${pod}/volumes/${driver.name}/${volume}`;
}

/** Where the directories of all pods are, each named by its UID. */
export function podsDirectories(paths: AgentPaths): string[] {
  return [`${paths.dataDir}/pods`, `${paths.memoryDir}/pods`];
}

/** Where the logs of all pods are. */
export function logsDirectory(paths: AgentPaths): string {
  return `${paths.dataDir}/logs/pods`;
}

/** `DIR/logs/pods/<namespace>_<name>_<uid>`, the layout log collectors know from Kubernetes. */
export function logDirectory(paths: AgentPaths, pod: PodName): string {
  const { namespace, name, uid } = pod.metadata;
  return `${logsDirectory(paths)}/${namespace}_${name}_${uid}`;
}

export function logPath(paths: AgentPaths, pod: PodName, container: string, attempt: number): string {
  return `${logDirectory(paths, pod)}/${container}/${attempt}.log`;
}

/** What becomes terminationMessagePath in the container. */
export function terminationLogPath(
  paths: AgentPaths,
  uid: string,
  container: string,
  attempt: number,
): string {
  return `${podDirectory(paths, uid)}/containers/${container}/${attempt}`;
}
