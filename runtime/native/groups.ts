import type { Clock } from '#machinery/clock.ts';
import { type ContainerStats, type Resources, RuntimeError } from '../contract.ts';
import { validateParent, validateResources } from '../validate.ts';
import { readCgroupStats } from './cgroup-stats.ts';
import { ensureGroup, updateGroup } from './cgroup-update.ts';
import { containerCgroup, layoutOf, type NodeFacts, sandboxCgroup } from './encode.ts';
import { freeze, isFrozen, thaw } from './freezer.ts';
import type { Sandbox } from './sandbox.ts';
import type { StateDirectory } from './state.ts';
import type { Turns } from './turns.ts';

/** What is done to the control groups of pods and containers while they run, without their monitors. */
export class Groups {
  readonly #facts: NodeFacts;
  readonly #files: StateDirectory;
  readonly #turns: Turns;
  readonly #clock: Clock;

  constructor(facts: NodeFacts, files: StateDirectory, turns: Turns, clock: Clock) {
    this.#facts = facts;
    this.#turns = turns;
    this.#files = files;
    this.#clock = clock;
  }

  async stats(sandbox: Sandbox, container: string | undefined): Promise<ContainerStats> {
    try {
      return await readCgroupStats(this.#layoutOf(sandbox), this.#pathOf(sandbox, container));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new RuntimeError('NotFound', `no container ${container} in sandbox ${sandbox.id}`);
    }
  }

  async update(sandbox: Sandbox, container: string | undefined, resources: Resources): Promise<void> {
    validateResources(resources);
    await this.#turns.run(container === undefined ? sandbox.id : `${sandbox.id}/${container}`, async () => {
      if (container !== undefined) await this.#requireRunning(sandbox, container);
      const group = { path: this.#pathOf(sandbox, container), leaf: container !== undefined };
      await updateGroup(this.#layoutOf(sandbox), group, resources);
      if (container !== undefined) return;
      Object.assign(sandbox.record.spec.resources, resources);
      await this.#files.save(sandbox.record);
    });
  }

  async updateParent(cgroupParent: string, resources: Resources): Promise<void> {
    validateParent(cgroupParent);
    validateResources(resources);
    const path = [this.#facts.cgroupRoot, ...cgroupParent.split('/')].filter(Boolean).join('/');
    await this.#turns.run(`/${cgroupParent}`, () => ensureGroup(this.#facts.cgroups, path, resources));
  }

  async pause(sandbox: Sandbox, container: string): Promise<void> {
    await this.#turns.run(`${sandbox.id}/${container}`, async () => {
      await this.#requireRunning(sandbox, container);
      await freeze(this.#layoutOf(sandbox), this.#pathOf(sandbox, container), this.#clock);
      sandbox.paused.add(container);
    });
  }

  async resume(sandbox: Sandbox, container: string): Promise<void> {
    await this.#turns.run(`${sandbox.id}/${container}`, async () => {
      await this.#requireRunning(sandbox, container);
      await this.thaw(sandbox, container);
    });
  }

  /** Harmless when it is not paused: what ends it must reach it. */
  async thaw(sandbox: Sandbox, container: string): Promise<void> {
    if (!sandbox.paused.has(container)) return;
    await thaw(this.#layoutOf(sandbox), this.#pathOf(sandbox, container));
    sandbox.paused.delete(container);
  }

  /** What an earlier agent has paused. */
  async findPaused(sandbox: Sandbox): Promise<void> {
    const { containers } = await sandbox.state(this.#files);
    for (const { id, state } of containers) {
      if (state === 'running' && (await isFrozen(this.#layoutOf(sandbox), this.#pathOf(sandbox, id))))
        sandbox.paused.add(id);
    }
  }

  async #requireRunning(sandbox: Sandbox, id: string): Promise<void> {
    const { containers } = await sandbox.state(this.#files);
    const found = containers.find((container) => container.id === id);
    if (found?.state === 'running') return;
    const what = found ? 'is not running' : 'does not exist';
    throw new RuntimeError('NotFound', `container ${id} in sandbox ${sandbox.id} ${what}`);
  }

  #layoutOf(sandbox: Sandbox) {
    return layoutOf(this.#facts, sandbox.record.spec);
  }

  #pathOf(sandbox: Sandbox, container: string | undefined): string {
    const { spec } = sandbox.record;
    return container === undefined
      ? sandboxCgroup(this.#facts, spec)
      : containerCgroup(this.#facts, spec, container);
  }
}
