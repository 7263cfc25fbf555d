/** The roster: every controller there is, in the order people should read them. A new one is a folder and a line here. */
import { deploymentController } from './deployment/controller.ts';
import type { AnyController } from './framework/contract.ts';
import { replicaSetController } from './replicaset/controller.ts';

export interface RosterOptions {
  /** PEM of the authority that signs the apiserver's certificate, for pods to trust. */
  clusterCa: string;
  /** Ranges that pods get addresses from, one per family: `10.244.0.0/16`. */
  clusterCidrs: string[];
}

export function roster(_options: RosterOptions): readonly AnyController[] {
  return [deploymentController, replicaSetController];
}
