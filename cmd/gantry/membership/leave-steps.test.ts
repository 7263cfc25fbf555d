import { describe, expect, test } from 'vitest';
import { StatusError } from '#machinery/errors.ts';
import { type LeaveOrder, type LeaveSteps, leaveInOrder, type Standing } from './leave-steps.ts';

/** A machine and its cluster: what a step has done stays done, and a step may fail before it is, or once it is. */
class World {
  standing: Standing = { is: 'member' };
  others = 1;
  readonly done: string[] = [];
  /** The step that fails, once. */
  fails: { step: string; when: 'before' | 'after' } | undefined;

  readonly steps: LeaveSteps = {
    standing: async () => this.standing,
    otherServers: async () => this.others,
    drain: () => this.#do('drain'),
    leaveStore: () => this.#do('leaveStore'),
    stop: () => this.#do('stop'),
    remove: async () => {
      if (this.done.includes('remove')) throw new StatusError('NotFound', 'no node has that name');
      await this.#do('remove');
      this.standing = { is: 'removed' };
    },
    clear: () => this.#do('clear'),
  };

  async #do(step: string): Promise<void> {
    const fails = this.fails?.step === step ? this.fails.when : undefined;
    if (fails === 'before') this.#fail(step);
    this.done.push(step);
    if (fails === 'after') this.#fail(step);
  }

  #fail(step: string): never {
    this.fails = undefined;
    throw new Error(`${step} failed`);
  }

  leave(order: Partial<LeaveOrder> = {}) {
    return leaveInOrder(
      { role: 'node', nodeName: 'n1', drain: true, force: false, ...order },
      this.steps,
      () => {},
    );
  }
}

describe('a machine leaves', () => {
  test.each<[string, Partial<LeaveOrder>, string[]]>([
    ['a node', {}, ['drain', 'stop', 'remove', 'clear']],
    ['a node with its pods', { drain: false }, ['stop', 'remove', 'clear']],
    ['a server', { role: 'server' }, ['drain', 'leaveStore', 'stop', 'remove', 'clear']],
  ])('%s, step by step', async (_, order, steps) => {
    const world = new World();
    expect(await world.leave(order)).toEqual({ told: true });
    expect(world.done).toEqual(steps);
  });

  test('whichever step fails: once more, and it has left', async () => {
    const order: Partial<LeaveOrder> = { role: 'server' };
    for (const step of ['drain', 'leaveStore', 'stop', 'remove', 'clear'])
      for (const when of ['before', 'after'] as const) {
        const world = new World();
        world.fails = { step, when };
        await expect(world.leave(order), step).rejects.toThrow(`${step} failed`);
        // Nothing that follows was done.
        if (when === 'before') expect(world.done.at(-1)).not.toBe(step);
        expect(await world.leave(order)).toEqual({ told: true });
        expect(world.done.at(-1)).toBe('clear');
        expect(world.done.filter((one) => one === 'remove')).toHaveLength(1);
      }
  });

  test('that was removed by somebody else', async () => {
    const world = new World();
    world.standing = { is: 'removed' };
    expect(await world.leave()).toEqual({ told: true });
    expect(world.done).toEqual(['stop', 'clear']);
  });

  test('without its cluster only when that is forced', async () => {
    const world = new World();
    world.standing = { is: 'away', reason: 'nobody answers' };
    await expect(world.leave()).rejects.toThrow(
      'the cluster cannot be reached (nobody answers): --force leaves',
    );
    expect(world.done).toEqual([]);
    expect(await world.leave({ force: true })).toEqual({ told: false });
    expect(world.done).toEqual(['stop', 'clear']);
  });

  test('not as the only server, whatever is forced', async () => {
    const world = new World();
    world.others = 0;
    await expect(world.leave({ role: 'server', force: true })).rejects.toThrow('this is the only server');
    expect(world.done).toEqual([]);
  });
});
