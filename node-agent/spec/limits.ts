import type { RuntimeInfo } from '#runtime/contract.ts';

/** What an administrator wants of a node's limits. Names are those of the kubelet's configuration. */
export interface LimitWishes {
  /** Memory that is asked for is kept from reclaim, and use near the limit is slowed down; needs cgroup v2. */
  memoryQos?: boolean;
  /** All pods together are held to what the node offers them. */
  enforceNodeAllocatable?: boolean;
  /** A container that runs out of memory loses one process, not all; v1 can do nothing else. */
  singleProcessOomKill?: boolean;
}

/** What of it this node can do. */
export interface LimitOptions {
  /** Containers get no swap, as Kubernetes' default is: v1 can say so only beside a limit of memory. */
  noSwap?: 'always' | 'withMemory';
  oomGroup?: true;
  /** What a container without a limit of memory may use: from there memory.high is counted. */
  memoryQos?: { nodeMemoryBytes: number };
}

/** Throws when what is wished for needs a kernel that this node does not have. */
export function limitOptions(
  { features }: RuntimeInfo,
  wishes: LimitWishes,
  nodeMemoryBytes: number,
): LimitOptions {
  if (wishes.memoryQos && !features['memoryQos'])
    throw new Error('memory QoS needs cgroup v2, and this node has v1');
  return {
    ...(features['swapLimits'] && { noSwap: features['oomGroup'] ? 'always' : 'withMemory' }),
    ...(features['oomGroup'] && !wishes.singleProcessOomKill && { oomGroup: true }),
    ...(wishes.memoryQos && { memoryQos: { nodeMemoryBytes } }),
  };
}
