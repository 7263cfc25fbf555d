/**
 * Why something is as it is, as data: refusals, conditions and events are built from it, and `gantry why` reads it back.
 * The text is for people; `reason` (CamelCase) and `about` are for programs.
 */
export interface Why {
  /** A CamelCase word that never changes its meaning: `FailedScheduling`, `InsufficientCpu`. */
  reason: string;
  message: string;
  /** The object that is the cause, when it is another one. */
  about?: { apiVersion: string; kind: string; namespace?: string; name: string };
  /** What led to this, nearest first. */
  because?: Why[];
}

/** The words of a Why and its causes in one line. */
export function explain(why: Why): string {
  return why.because?.length ? `${why.message}: ${why.because.map(explain).join(', ')}` : why.message;
}
