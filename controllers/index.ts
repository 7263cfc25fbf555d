/** The roster: every controller there is, in the order people should read them. A new one is a folder and a line here. */
import { bootstrapTokenController } from './bootstrap-tokens/controller.ts';
import { certificateControllers } from './certificates/controller.ts';
import type { Sign } from './certificates/sign.ts';
import { deploymentController } from './deployment/controller.ts';
import { disruptionController, staleDisruptionController } from './disruption/controller.ts';
import { endpointSliceController, endpointsController } from './endpointslice/controller.ts';
import { eventTtlController } from './event-ttl/controller.ts';
import type { AnyController } from './framework/contract.ts';
import { garbageCollectors } from './garbage-collector/controller.ts';
import { namespaceController } from './namespace/controller.ts';
import { nodeAvailabilityController } from './node-availability/controller.ts';
import { nodeIpamController } from './node-ipam/controller.ts';
import { nodeLifecycleController } from './node-lifecycle/controller.ts';
import { nodeVersionController } from './node-version/controller.ts';
import { podGcController } from './pod-gc/controller.ts';
import { replicaSetController } from './replicaset/controller.ts';
import { rootCaController } from './root-ca/controller.ts';
import { serviceAccountController } from './serviceaccount/controller.ts';

export interface RosterOptions {
  /** PEM of the authority that signs the apiserver's certificate, for pods to trust. */
  clusterCa: string;
  /** Ranges that pods get addresses from, one per family: `10.244.0.0/16`. */
  clusterCidrs: readonly string[];
  /** How long a node may be silent before its pods are given up; default 40 s. */
  nodeGraceMs?: number;
  /** Of the program, `0.1.0`: nodes are compared with it; left out = they are not. */
  serverVersion?: string;
  /** Signs certificates of clients, with the authority that the server trusts for them; left out = somebody else signs. */
  sign?: Sign;
}

export function roster(options: RosterOptions): readonly AnyController[] {
  return [
    deploymentController,
    replicaSetController,
    endpointSliceController,
    endpointsController,
    serviceAccountController,
    rootCaController(options.clusterCa),
    nodeIpamController(options.clusterCidrs),
    nodeLifecycleController(options.nodeGraceMs),
    nodeAvailabilityController,
    ...(options.serverVersion ? [nodeVersionController(options.serverVersion)] : []),
    podGcController,
    disruptionController,
    staleDisruptionController,
    ...certificateControllers(options.sign),
    bootstrapTokenController,
    namespaceController,
    ...garbageCollectors,
    eventTtlController,
  ];
}
