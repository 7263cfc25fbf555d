/** What became of questions that were asked one after another. */
export interface Asked {
  answered: number;
  failed: number;
  /** From one answer to the next, at most. */
  longestGapMs: number;
}

const LONGEST_MS = 180_000;
/** What was silent when it was told to stop is waited for. */
const AFTERWARDS = 3;

/** Asks on and on, three minutes at most, until it is told to stop and has then been answered three times more. */
export function asking(ask: () => Promise<boolean>): { stop(): Promise<Asked> } {
  const asked: Asked = { answered: 0, failed: 0, longestGapMs: 0 };
  const begun = performance.now();
  let until = Number.POSITIVE_INFINITY;
  const work = (async () => {
    let last = begun;
    while (asked.answered < until && performance.now() - begun < LONGEST_MS) {
      if (!(await ask())) {
        asked.failed++;
        continue;
      }
      const now = performance.now();
      asked.answered++;
      asked.longestGapMs = Math.max(asked.longestGapMs, now - last);
      last = now;
    }
  })();
  return {
    async stop() {
      until = asked.answered + AFTERWARDS;
      await work;
      return asked;
    },
  };
}
