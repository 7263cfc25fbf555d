import { beforeAll, describe, expect, test } from 'vitest';
import type { AuthorityState } from '#api/semantics/authorities.ts';
import type { Why } from '#api/why.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { type LogLine, memoryLogger } from '#machinery/log.ts';
import { certificatesIn } from '#machinery/pki/bundle.ts';
import { validityOf } from '#machinery/pki/certificate.ts';
import { makeAuthority } from '#machinery/pki/issue.ts';
import { seededRandom } from '#machinery/random.ts';
import { type AutomaticDeps, keepAuthorities, lookAfter } from './automatic.ts';
import { actionFor, dueStep } from './due.ts';
import { afterStep } from './plan.ts';

const DAY_MS = 24 * 3_600_000;
const LIFE_MS = 3650 * DAY_MS;
const LEAF_MS = 365 * DAY_MS;
const random = seededRandom(1);
const make = (clock: VirtualClock) => makeAuthority('ca', LIFE_MS, clock, random);

describe('when the steps are due', () => {
  const clock = new VirtualClock(0);
  let old: string;
  let made: string;
  beforeAll(async () => {
    old = (await make(clock)).certificate;
    made = (await make(new VirtualClock(2920 * DAY_MS))).certificate;
  });
  const days = ({ dueMs, forcedMs, step }: ReturnType<typeof dueStep>) => ({
    step,
    due: Math.round(dueMs / DAY_MS),
    forced: Math.round(forcedMs / DAY_MS),
  });
  const stable = (): AuthorityState => ({ bundle: old, phase: 'stable' });
  const trust = (atDay: number) => afterStep(stable(), 'trust', atDay * DAY_MS, { made });
  const issue = (atDay: number) => afterStep(trust(0), 'issue', atDay * DAY_MS);

  test('a new one is made when a fifth of the life of the old one is left', () => {
    expect(days(dueStep(stable(), LEAF_MS))).toEqual({ step: 'trust', due: 2920, forced: 3467 });
  });
  test('it is trusted for half a year before it signs', () => {
    expect(days(dueStep(trust(2920), LEAF_MS))).toEqual({ step: 'issue', due: 3103, forced: 3467 });
  });
  test('what the old one signed has ended before it is dropped', () => {
    const drop = days(dueStep(issue(3103), LEAF_MS));
    expect(drop).toEqual({ step: 'drop', due: 3505, forced: 3650 });
    expect(drop.due).toBeGreaterThan(3103 + 365);
  });
  test('one that is begun late leaves time to follow, and none goes on beyond the end of the old one', () => {
    expect(days(dueStep(trust(3600), LEAF_MS))).toEqual({ step: 'issue', due: 3637, forced: 3637 });
    expect(days(dueStep(trust(3640), LEAF_MS))).toEqual({ step: 'issue', due: 3650, forced: 3650 });
    expect(days(dueStep(issue(3600), LEAF_MS))).toEqual({ step: 'drop', due: 3650, forced: 3650 });
  });
  test('of a phase that began before that was noted, the newest authority says when', () => {
    const { sinceMs: _, ...unnoted } = trust(1);
    expect(days(dueStep(unnoted, LEAF_MS))).toMatchObject({ due: 2920 + 182 });
  });
  test('those who do not follow are waited for, and not for ever', () => {
    const due = { step: 'issue' as const, dueMs: 10, forcedMs: 20 };
    expect([9, 10, 19, 20].map((now) => actionFor(due, false, now))).toEqual([
      'nothing',
      'take',
      'take',
      'take',
    ]);
    expect([9, 10, 19, 20].map((now) => actionFor(due, true, now))).toEqual([
      'nothing',
      'wait',
      'wait',
      'force',
    ]);
  });
});

describe('years pass', () => {
  /** A cluster of nothing but the state of an authority, looked after once a day. */
  async function world(more: Partial<AutomaticDeps> = {}) {
    const clock = new VirtualClock(0);
    const seen: { day: number; step: string; force: boolean }[] = [];
    const told: Why[] = [];
    const lines: LogLine[] = [];
    const stop = new AbortController();
    const all = {
      state: { bundle: (await make(clock)).certificate, phase: 'stable' } as AuthorityState,
      waits: '',
    };
    const deps: AutomaticDeps = {
      mode: 'auto',
      async pending() {
        const due = dueStep(all.state, LEAF_MS);
        return [{ name: 'client-ca', due, ...(all.waits && { waits: all.waits }) }];
      },
      async take(_, step, force) {
        const successor = step === 'trust' ? { made: (await make(clock)).certificate } : undefined;
        all.state = afterStep(all.state, step, clock.now(), successor);
        seen.push({ day: Math.round(clock.now() / DAY_MS), step, force });
      },
      leads: async () => true,
      tell: (_, why) => told.push(why),
      ...{ clock, log: memoryLogger(lines), signal: stop.signal },
      ...more,
    };
    const pass = async (days: number) => {
      for (let day = 0; day < days; day++) {
        await clock.advance(DAY_MS);
        await lookAfter(deps);
        const [signs] = certificatesIn(all.state.bundle);
        if (deps.mode === 'auto' && signs !== checked.at(-1)) checked.push(signs!);
        ended ||= validityOf(checked.at(-1) ?? signs!).untilMs < clock.now();
      }
      return { ended };
    };
    const checked: string[] = [];
    let ended = false;
    return { clock, all, deps, seen, told, lines, stop, pass };
  }

  test('an authority is replaced before it ends, again and again: none signs that has ended', async () => {
    const { seen, pass } = await world();
    expect(await pass(27 * 365)).toEqual({ ended: false });
    const round = ['trust', 'issue', 'drop'];
    expect(seen.map(({ step }) => step)).toEqual([...round, ...round, ...round]);
    expect(seen.every(({ force }) => !force)).toBe(true);
    const [trust, issue, drop] = seen.map(({ day }) => day);
    expect([issue! - trust!, drop! - issue!].map((days) => days > 180)).toEqual([true, true]);
  });

  test('a node that never follows is told of, and left behind when there is no time left', async () => {
    const { all, seen, told, pass } = await world();
    all.waits = 'nodes n1';
    expect(await pass(3660)).toEqual({ ended: false });
    expect(told[0]).toMatchObject({ reason: 'AuthorityWaits', message: expect.stringContaining('nodes n1') });
    expect(seen.map(({ step, force }) => [step, force])).toEqual([
      ['trust', true],
      ['issue', true],
      ['drop', true],
    ]);
    expect(seen[0]!.day).toBeGreaterThan(3460);
  });

  test('by hand it is only told of; a server that does not lead does neither', async () => {
    const manual = await world({ mode: 'manual' });
    await manual.pass(2919);
    expect(manual.told).toEqual([]);
    await manual.pass(2);
    expect(manual.told[0]).toMatchObject({ reason: 'AuthorityIsDue' });
    expect(manual.seen).toEqual([]);
    const follower = await world({ leads: async () => false });
    await follower.pass(3000);
    expect([follower.seen, follower.told]).toEqual([[], []]);
  });

  test('a step that fails is taken again, and ends nothing else', async () => {
    let tries = 0;
    const take = async () => {
      if (++tries < 3) throw new Error('another server replaces the authority now');
    };
    const { lines, pass } = await world({ take });
    await pass(2924);
    expect(tries).toBeGreaterThan(3);
    expect(lines).toHaveLength(2);
  });

  test('it is looked after now and then, until the server ends; what fails is tried again', async () => {
    let asked = 0;
    const pending = async () => {
      if (++asked === 1) throw new Error('the server is not ready yet');
      return [];
    };
    const { clock, deps, lines, stop } = await world({ pending });
    keepAuthorities(deps);
    const minutes = async (count: number) => {
      for (let minute = 0; minute < count; minute++) await clock.advance(60_000);
    };
    await minutes(31);
    expect(asked).toBe(3);
    expect(lines).toHaveLength(1);
    stop.abort();
    await minutes(60);
    expect(asked).toBe(3);
  });
});
