/** One line of standard error that is written over again and again; nothing where that is no terminal. */
export interface ProgressLine {
  show(text: string): void;
  /** Takes the line away. */
  end(): void;
}

/** A person sees no more than this, and the terminal should not be what is waited for. */
const EVERY_MS = 100;
const CLEAR_LINE = '\r\u001b[K';

export function progressLine(out: NodeJS.WriteStream = process.stderr): ProgressLine {
  let last = Number.NEGATIVE_INFINITY;
  if (!out.isTTY) return { show: () => undefined, end: () => undefined };
  return {
    show(text) {
      if (performance.now() - last < EVERY_MS) return;
      last = performance.now();
      out.write(CLEAR_LINE + text);
    },
    end: () => out.write(CLEAR_LINE),
  };
}
