import { describe, expect, test } from 'vitest';
import { type Clock, sleep } from './clock.ts';

export interface ClockHarness {
  clock: Clock;
  /** Lets at least so much time of the clock pass, and what is due by then happen. */
  pass(ms: number): Promise<void>;
}

/** The cases every Clock passes. */
export function clockConformance(name: string, make: () => ClockHarness): void {
  describe(`${name} keeps the clock contract`, () => {
    test('both times move on, and the monotonic one never goes back', async () => {
      const { clock, pass } = make();
      const [wall, start] = [clock.now(), clock.monotonic()];
      let last = start;
      for (let i = 0; i < 5; i++) {
        await pass(2);
        expect(clock.monotonic()).toBeGreaterThanOrEqual(last);
        last = clock.monotonic();
      }
      expect(last - start).toBeGreaterThanOrEqual(9);
      expect(clock.now() - wall).toBeGreaterThanOrEqual(9);
    });

    test('a timer fires once, and not before its time', async () => {
      const { clock, pass } = make();
      const start = clock.monotonic();
      const fired: number[] = [];
      clock.timer(10, () => fired.push(clock.monotonic() - start));
      await pass(30);
      expect(fired).toHaveLength(1);
      // Node's timers count in whole milliseconds of their own: they may be less than one early.
      expect(fired[0]).toBeGreaterThan(8.9);
    });

    test.each([0, -5])(
      'a delay of %i fires soon, but never while the timer is being set',
      async (delayMs) => {
        const { clock, pass } = make();
        let fired = 0;
        clock.timer(delayMs, () => fired++);
        expect(fired).toBe(0);
        await pass(5);
        expect(fired).toBe(1);
      },
    );

    test('timers fire in the order of their time, those of one time in the order they were set', async () => {
      const { clock, pass } = make();
      const fired: string[] = [];
      clock.timer(12, () => fired.push('late'));
      clock.timer(4, () => fired.push('first'));
      clock.timer(4, () => fired.push('second'));
      clock.timer(8, () => fired.push('middle'));
      await pass(40);
      expect(fired).toEqual(['first', 'second', 'middle', 'late']);
    });

    test('a timer that was set by another fires in its turn', async () => {
      const { clock, pass } = make();
      const fired: string[] = [];
      clock.timer(2, () => {
        clock.timer(2, () => fired.push('inner'));
        fired.push('outer');
      });
      await pass(30);
      expect(fired).toEqual(['outer', 'inner']);
    });

    test('a cancelled timer stays silent, also when one of the same time cancels it', async () => {
      const { clock, pass } = make();
      let fired = 0;
      const early = clock.timer(2, () => fired++);
      early.cancel();
      clock.timer(4, () => beside.cancel());
      const beside = clock.timer(4, () => fired++);
      await pass(20);
      expect(fired).toBe(0);
      early.cancel();
      beside.cancel();
    });

    test('a timer of a very far time does not fire now', async () => {
      const { clock, pass } = make();
      let fired = 0;
      const timer = clock.timer(2 ** 40, () => fired++);
      await pass(5);
      expect(fired).toBe(0);
      timer.cancel();
    });

    test('sleep ends with its time, or at once with the reason of its signal', async () => {
      const { clock, pass } = make();
      let done = false;
      const slept = sleep(clock, 5).then(() => {
        done = true;
      });
      expect(done).toBe(false);
      await pass(20);
      await slept;
      const abort = new AbortController();
      const cut = sleep(clock, 2 ** 30, abort.signal);
      abort.abort(new Error('enough'));
      await expect(cut).rejects.toThrow('enough');
      await expect(sleep(clock, 1, abort.signal)).rejects.toThrow('enough');
    });
  });
}
