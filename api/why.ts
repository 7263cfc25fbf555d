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

/** The header in which a client says why it writes; the server keeps it with the stored value. URI-encoded text. */
export const CAUSE_HEADER = 'gantry-cause';

/** Longer causes are cut: they are a hint for people, not a log. */
const CAUSE_LENGTH = 256;

/** `FailedScheduling: no node fits`, as it is kept with a stored value. */
export function causeText(why: Why): string {
  return `${why.reason}: ${explain(why)}`.slice(0, CAUSE_LENGTH);
}

/** The text of a cause header; undefined when there is none or it is not ours. */
export function causeOfHeader(header: string | undefined): string | undefined {
  if (header === undefined || header.length > 12 * CAUSE_LENGTH) return undefined;
  try {
    return decodeURIComponent(header).slice(0, CAUSE_LENGTH);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
