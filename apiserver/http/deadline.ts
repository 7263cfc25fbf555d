import type { Clock, Timer } from '#machinery/clock.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import { timedOut } from '../deadline.ts';
import { statusResponse } from './respond.ts';

/**
 * The time a request has, from its head to the end of its answer. When it is over before there is an answer, `response`
 * is one; when the answer is being sent, `cut` is called.
 */
export class Deadline {
  readonly response: Promise<TransportResponse>;
  readonly #timer: Timer | undefined;
  #cut: (() => void) | undefined;

  /** `over` is called first. */
  constructor(clock: Clock, timeoutMs: number | undefined, over: () => void) {
    let answer: (response: TransportResponse) => void = () => {};
    this.response = new Promise((resolve) => {
      answer = resolve;
    });
    if (timeoutMs === undefined) return;
    this.#timer = clock.timer(timeoutMs, () => {
      if (this.#cut) {
        this.#cut();
        return;
      }
      answer(statusResponse(timedOut()));
      over();
    });
  }

  /** The answer is on its way. */
  sending(cut: () => void): void {
    this.#cut = cut;
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}
