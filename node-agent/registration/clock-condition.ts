import type { Node } from '#api/objects.ts';
import type { EventRecorder } from '#client/events.ts';
import { type ClockOffset, isSkewed, type ServerClock } from './server-clock.ts';

/** How far the node's clock is from the servers', and from where on that is too much. */
export interface ClockHealth {
  offset: ClockOffset;
  toleranceMs: number;
}

/** As the condition `ClockSkew` and its event tell it. */
export function clockCondition({ offset, toleranceMs }: ClockHealth) {
  const skewed = isSkewed(offset, toleranceMs);
  const seconds = (Math.abs(offset.offsetMs) / 1000).toFixed(1);
  const message = skewed
    ? `the clock of the node is ${seconds} s ${offset.offsetMs > 0 ? 'ahead of' : 'behind'} the server's: set both by NTP`
    : `the clocks of the node and of the server differ by no more than ${toleranceMs / 1000} s`;
  return {
    type: 'ClockSkew',
    status: skewed ? 'True' : 'False',
    reason: skewed ? 'ClockSkewed' : 'ClockInStep',
    message,
  };
}

/** As the health of a node has it: nothing before the first answer of a server. */
export function clockOf({ offset, toleranceMs }: ServerClock): { clock?: ClockHealth } {
  return offset ? { clock: { offset, toleranceMs } } : {};
}

/** An event, and the node's condition by `touch`, when the clocks differ and when they do no more. */
export function tellOfClock(
  serverClock: ServerClock,
  about: Node,
  recorder: EventRecorder,
  touch: () => void,
): void {
  serverClock.onChange = () => {
    const { reason, message } = clockCondition(clockOf(serverClock).clock!);
    const type = serverClock.skewed ? 'Warning' : 'Normal';
    recorder.record(about, type, { reason, message });
    touch();
  };
}
