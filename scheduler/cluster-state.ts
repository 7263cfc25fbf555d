/**
 * All nodes with their pods, kept up change by change. A pod that was just placed is assumed to be there until the apiserver
 * says so, so that the next decision counts it.
 */
import type { Node, ObjectKey, Pod } from '#api/objects.ts';
import { isPodTerminal } from '#api/semantics/pod-status.ts';
import { NodeState } from './node-state.ts';
import { needsOf, type PodNeeds } from './pod-needs.ts';

export class ClusterState {
  readonly #nodes = new Map<string, NodeState>();
  /** Node of each pod that is bound or assumed. */
  readonly #placed = new Map<ObjectKey, string>();
  readonly #assumed = new Set<ObjectKey>();
  /** Placed pods that keep others away (required anti-affinity). */
  readonly #repelling = new Map<ObjectKey, PodNeeds>();
  #listed: readonly NodeState[] | undefined;

  /** Nodes that exist, by name. */
  nodes(): readonly NodeState[] {
    this.#listed ??= [...this.#nodes.values()]
      .filter((state) => state.node)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#listed;
  }

  node(name: string): NodeState | undefined {
    return this.#nodes.get(name);
  }

  /** The node of a pod that is bound or assumed. */
  nodeOf(key: ObjectKey): NodeState | undefined {
    const name = this.#placed.get(key);
    return name === undefined ? undefined : this.#nodes.get(name);
  }

  repelling(): Iterable<PodNeeds> {
    return this.#repelling.values();
  }

  setNode(node: Node): void {
    this.#of(node.metadata.name).describe(node);
    this.#listed = undefined;
  }

  removeNode(name: string): void {
    const state = this.#nodes.get(name);
    if (!state) return;
    state.describe(undefined);
    if (state.pods.size === 0) this.#nodes.delete(name);
    this.#listed = undefined;
  }

  /** What the apiserver says of a pod: it takes its place from now on. */
  setPod(pod: Pod): void {
    const needs = needsOf(pod);
    const node = pod.spec?.nodeName;
    if (!node) {
      if (!this.#assumed.has(needs.key)) this.#unplace(needs.key);
      return;
    }
    this.#assumed.delete(needs.key);
    this.#unplace(needs.key);
    if (!isPodTerminal(pod)) this.#place(needs, node);
  }

  removePod(key: ObjectKey): void {
    this.#assumed.delete(key);
    this.#unplace(key);
  }

  assume(needs: PodNeeds, node: string): void {
    this.#unplace(needs.key);
    this.#assumed.add(needs.key);
    this.#place(needs, node);
  }

  isAssumed(key: ObjectKey): boolean {
    return this.#assumed.has(key);
  }

  /** The binding failed: the pod is nowhere, unless the apiserver has said where meanwhile. */
  forget(key: ObjectKey): void {
    if (this.#assumed.delete(key)) this.#unplace(key);
  }

  #place(needs: PodNeeds, node: string): void {
    this.#placed.set(needs.key, node);
    this.#of(node).add(needs);
    if (needs.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.length)
      this.#repelling.set(needs.key, needs);
  }

  #unplace(key: ObjectKey): void {
    const name = this.#placed.get(key);
    if (name === undefined) return;
    this.#placed.delete(key);
    this.#repelling.delete(key);
    const state = this.#of(name);
    state.remove(key);
    if (!state.node && state.pods.size === 0) this.#nodes.delete(name);
  }

  #of(name: string): NodeState {
    let state = this.#nodes.get(name);
    if (!state) {
      state = new NodeState(name);
      this.#nodes.set(name, state);
    }
    return state;
  }
}
