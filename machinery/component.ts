/**
 * The life of every long-running part. cmd and the simulator start, watch and kill parts through this contract and know
 * nothing else of them.
 */
export interface Component<Deps> {
  /** Lower-case name for logs, health checks and metrics. */
  readonly name: string;
  /**
   * Starts the part. Resolves as soon as it is running (not yet ready); rejects when it cannot run at all. Aborting
   * `signal` is a crash: the part lets go of everything without finishing its work.
   */
  start(deps: Deps, signal: AbortSignal): Promise<Running>;
}

export interface Running {
  /** Settles once the part does its duty; rejects when it never will. */
  readonly ready: Promise<void>;
  /** A cheap look, never an action. */
  health(): Health;
  /** In the Prometheus exposition format; a cheap look too. */
  metrics?(): string;
  /** Finishes what was begun and lets go; resolves when nothing is left. Harmless when called twice. */
  stop(): Promise<void>;
}

export type Health = { ok: true } | { ok: false; message: string };
