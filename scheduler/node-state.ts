/** A node as the scheduler counts it: what it has, and what its pods have taken. */
import type { Node, ObjectKey } from '#api/objects.ts';
import { type Amounts, amountsOf } from '#api/semantics/resources.ts';
import type { HostPort, PodNeeds } from './pod-needs.ts';

/** A node that says nothing takes this many pods. */
const DEFAULT_PODS = 110;

export class NodeState {
  readonly name: string;
  /** Undefined while pods are bound to a node nobody has described yet. */
  node: Node | undefined;
  allocatable: Amounts = {};
  readonly pods = new Map<ObjectKey, PodNeeds>();
  readonly requested: Amounts = {};
  readonly scored = { cpu: 0, memory: 0 };
  /** Pods by uid of their controller. */
  readonly groups = new Map<string, number>();

  constructor(name: string) {
    this.name = name;
  }

  describe(node: Node | undefined): void {
    this.node = node;
    this.allocatable = amountsOf(node?.status?.allocatable ?? node?.status?.capacity);
  }

  get maxPods(): number {
    return this.allocatable['pods'] ?? DEFAULT_PODS;
  }

  get labels(): Record<string, string> {
    return this.node?.metadata.labels ?? {};
  }

  add(needs: PodNeeds): void {
    this.pods.set(needs.key, needs);
    this.#count(needs, 1);
  }

  remove(key: ObjectKey): void {
    const needs = this.pods.get(key);
    if (!needs) return;
    this.pods.delete(key);
    this.#count(needs, -1);
  }

  /** Whether a pod here holds the port. */
  holdsPort(port: HostPort): boolean {
    for (const { hostPorts } of this.pods.values())
      if (hostPorts.some((held) => collide(held, port))) return true;
    return false;
  }

  #count(needs: PodNeeds, sign: 1 | -1): void {
    for (const name in needs.requests)
      this.requested[name] = (this.requested[name] ?? 0) + sign * needs.requests[name]!;
    this.scored.cpu += sign * needs.scored.cpu;
    this.scored.memory += sign * needs.scored.memory;
    if (needs.group === undefined) return;
    const count = (this.groups.get(needs.group) ?? 0) + sign;
    if (count > 0) this.groups.set(needs.group, count);
    else this.groups.delete(needs.group);
  }
}

function collide(a: HostPort, b: HostPort): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  return a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0';
}
