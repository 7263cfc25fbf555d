import type { Filter } from '../contract.ts';
import { hostPorts } from './host-ports.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodeName } from './node-name.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { podAffinity } from './pod-affinity.ts';
import { resourcesFit } from './resources-fit.ts';
import { taints } from './taints.ts';
import { topologySpread } from './topology-spread.ts';

/** Asked in this order; the first that refuses speaks for the node. Cheap ones first. */
export const FILTERS: readonly Filter[] = [
  nodeUnschedulable,
  nodeName,
  taints,
  nodeAffinity,
  hostPorts,
  resourcesFit,
  topologySpread,
  podAffinity,
];
