import type { AuthorityName } from '#api/semantics/authorities.ts';
import type { Why } from '#api/why.ts';
import { type Clock, every, rfc3339 } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import { actionFor, type DueStep } from './due.ts';

export type RotationMode = 'auto' | 'manual';

/** What is to be done about an authority, as this server sees it. */
export interface Pending {
  name: AuthorityName;
  due: DueStep;
  /** Who has not followed the last step; undefined: all have. */
  waits?: string;
}

export interface AutomaticDeps {
  mode: RotationMode;
  /** What there is to do about each authority. */
  pending(): Promise<Pending[]>;
  take(name: AuthorityName, step: DueStep['step'], force: boolean): Promise<void>;
  /** Whether this server is the one that does it: one of all does. */
  leads(): Promise<boolean>;
  tell(type: 'Normal' | 'Warning', why: Why): void;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

const LOOK_EVERY_MS = 10 * 60_000;

/** Takes each step of a rotation when it is due, until the signal aborts; with `manual` it is only told that it is. */
export function keepAuthorities(deps: AutomaticDeps): void {
  const { clock, log, signal } = deps;
  every(clock, LOOK_EVERY_MS, signal, () =>
    lookAfter(deps).catch((error: unknown) => {
      if (!signal.aborted) log.warn('The authorities could not be looked after', { error: messageOf(error) });
    }),
  );
}

/** Does what is due now. */
export async function lookAfter(deps: AutomaticDeps): Promise<void> {
  if (!(await deps.leads())) return;
  for (const one of await deps.pending()) await lookAt(one, deps);
}

async function lookAt({ name, due, waits }: Pending, deps: AutomaticDeps): Promise<void> {
  const { mode, clock, tell, log } = deps;
  const action = actionFor(due, waits !== undefined, clock.now());
  if (action === 'nothing') return;
  if (mode === 'manual') {
    const message = `${name} is to be replaced: the next step, "${due.step}", is due since ${rfc3339(due.dueMs)} (gantry certs rotate)`;
    tell('Warning', { reason: 'AuthorityIsDue', message });
    return;
  }
  if (action === 'wait') {
    const message = `the next step of ${name}, "${due.step}", waits until ${rfc3339(due.forcedMs)} for ${waits}`;
    tell('Warning', { reason: 'AuthorityWaits', message });
    return;
  }
  try {
    await deps.take(name, due.step, action === 'force');
  } catch (error) {
    // It is looked at again; another server may have been faster, and then there is nothing to do.
    log.warn('An authority could not be brought on', {
      authority: name,
      step: due.step,
      error: messageOf(error),
    });
  }
}
