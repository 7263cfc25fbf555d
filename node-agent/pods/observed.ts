import type { ResourceRequirements } from '#api/objects.ts';
import type { PodAttachment } from '#network/contract.ts';
import type { Image } from '#oci/contract.ts';
import type { ExitStatus } from '#runtime/contract.ts';
import type { MountedVolume } from '#volumes/contract.ts';
import type { Allocation } from '../spec/allocation.ts';

/**
 * What a pod worker knows of one pod on this node. It is the whole input, with the pod itself, of hooks.ts, step.ts and
 * status.ts; only learn.ts changes it. Times are milliseconds since the epoch.
 */

/** A pod only ever moves on in this list. */
export const STAGES = ['run', 'stop', 'teardown', 'finished', 'gone'] as const;
export type Stage = (typeof STAGES)[number];

/** A message for people with the CamelCase reason Kubernetes users know. */
export interface Reasoned {
  reason: string;
  message: string;
}

/** One start of a container. */
export interface Run {
  /** The runtime's id: `<name>.<attempt>`. */
  id: string;
  attempt: number;
  image: string;
  imageId: string;
  /** What its program is asked to end with; SIGTERM when left out. */
  stopSignal?: number;
  startedAtMs: number;
  exit?: ExitStatus;
  /** Requests and limits that it runs with; undefined = it was started by an agent that did not say. */
  resources?: ResourceRequirements;
  /** It was stopped to be started anew, whatever the pod's policy says. */
  replaced?: true;
  /** The program's own last words: its termination message. */
  message?: string;
}

/** How and why a pod ended. */
export interface Terminal extends Reasoned {
  phase: 'Failed' | 'Succeeded';
  /** The node ended it for its own sake: its containers have at most this, in milliseconds, and others are told. */
  disruptedMs?: number;
  /** The node never took it: there is nothing to tell of its containers. */
  rejected?: true;
}

export interface ContainerObserved {
  /** The newest start, running or exited. */
  run?: Run;
  /** The one before. */
  last?: Run;
  /** Why it does not run though it should. */
  waiting?: Reasoned;
  /** Delay before the next restart but one; 0 = never restarted. */
  backoffMs: number;
  /** When it was last restarted: a long quiet time forgives. */
  restartedAtMs: number;
  /** Its postStart hook is done. */
  hooked: boolean;
  /** Its probes have been set going. */
  probing?: boolean;
  /** Startup probe passed, or there is none. Undefined = no result yet. */
  started?: boolean;
  /** Readiness probe. Undefined = no result yet. */
  ready?: boolean;
  /** It has to be killed and, if the policy says so, started anew. */
  unhealthy?: Reasoned & { graceMs?: number };
  /** A stop is under way with this grace. */
  stoppingMs?: number;
}

export type ImageObserved = { image: Image; imageId: string } | { failed: Reasoned };

export interface Observed {
  stage: Stage;
  /** The machine goes down: what runs ends within this, and nothing is started. The pod goes on when the machine is back. */
  haltMs?: number;
  /** The object is gone from the API: nobody waits for a final status. */
  removed: boolean;
  startTimeMs: number;
  /** Why the pod ended without its containers having ended by themselves. */
  terminal?: Terminal;
  sandbox: 'none' | 'ready' | 'lost';
  /** Path of the network namespace; empty on the node's network. */
  networkNamespace: string;
  attachment?: PodAttachment;
  volumes?: Map<string, MountedVolume>;
  /** When a token in a volume has to be renewed; 0 = now, as a source has changed. */
  volumesDueMs: number;
  /** Changes of sources so far: content made of older ones is made again. */
  sourcesRevision: number;
  /** Images by container name. */
  images: Map<string, ImageObserved>;
  containers: Map<string, ContainerObserved>;
  /** Requests and limits that the node has granted. */
  allocated?: Allocation;
  /** Of those, what the pod's own limits are; undefined = not known since the agent began. */
  actuated?: Allocation;
  /** The generation of the spec that was granted last, since the agent began. */
  resizeGeneration?: number;
  /** Why a resize has not been granted; heard again after `untilMs`. */
  pending?: Reasoned & { generation: number; untilMs: number };
  /** Runtime ids of starts nobody asks for any more. */
  leftovers: Set<string>;
  /** Whether anything of the pod is left on the node that teardown must see to, by hook. */
  attached: boolean;
  mounted: boolean;
  deleted: boolean;
  /** Effects that failed: not to be tried again before `untilMs`. */
  retries: Map<string, { failures: number; untilMs: number; fault: Reasoned }>;
}

export function newObserved(nowMs: number): Observed {
  return {
    stage: 'run',
    removed: false,
    startTimeMs: nowMs,
    sandbox: 'none',
    networkNamespace: '',
    volumesDueMs: Number.POSITIVE_INFINITY,
    sourcesRevision: 0,
    images: new Map(),
    containers: new Map(),
    leftovers: new Set(),
    attached: false,
    mounted: false,
    deleted: false,
    retries: new Map(),
  };
}

export function containerObserved(observed: Observed, name: string): ContainerObserved {
  let container = observed.containers.get(name);
  if (!container) {
    container = { backoffMs: 0, restartedAtMs: 0, hooked: false };
    observed.containers.set(name, container);
  }
  return container;
}

export function isRunning(container: ContainerObserved | undefined): boolean {
  return container?.run !== undefined && container.run.exit === undefined;
}
