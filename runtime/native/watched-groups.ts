import { encodeCgroup, planCgroup } from './cgroup.ts';
import { encodeSandboxCgroup, type NodeFacts } from './encode.ts';
import type { HelperClient } from './helper-client.ts';
import { removedEverywhere } from './oci-cgroups.ts';
import { OP, Payload, TAG } from './protocol.ts';

/** A pod's place among the groups. */
export interface PodGroup {
  id: string;
  cgroupParent: string;
  handler?: string;
}

/** What the helper does with the groups of pods: it watches over their monitors, and clears up behind them. */
export class WatchedGroups {
  readonly #facts: NodeFacts;
  readonly #helper: HelperClient;

  constructor(facts: NodeFacts, helper: HelperClient) {
    this.#facts = facts;
    this.#helper = helper;
  }

  /** Tells a helper that did not start this monitor to watch over it. */
  async adopt(monitorPid: number, pod: PodGroup): Promise<void> {
    const payload = new Payload().number(TAG.PID, monitorPid).nest(TAG.CGROUP, this.#of(pod));
    // One that has just ended is announced by its own connection.
    await this.#helper.request(OP.ADOPT, payload).catch(() => undefined);
  }

  /** Kills what a monitor left that died when no helper watched over it. */
  async kill(pod: PodGroup): Promise<void> {
    // Its removal does it again, and says when it could not.
    await this.#request(OP.CGROUP_KILL, this.#of(pod)).catch(() => undefined);
  }

  async remove(pod: PodGroup): Promise<void> {
    await this.#request(OP.CGROUP_REMOVE, this.#of(pod));
  }

  /** The groups of all pods, and those above them. */
  async removeAll(): Promise<void> {
    const path = this.#facts.cgroupRoot;
    const plan = planCgroup(this.#facts.cgroups, { path, resources: {}, leaf: false });
    await this.#request(OP.CGROUP_REMOVE, encodeCgroup(removedEverywhere(this.#facts, plan, path)));
  }

  #of(pod: PodGroup): Payload {
    return encodeSandboxCgroup(this.#facts, pod);
  }

  async #request(op: number, cgroup: Payload): Promise<void> {
    await this.#helper.insist(op, new Payload().nest(TAG.CGROUP, cgroup));
  }
}
