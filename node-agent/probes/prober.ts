import type { Container, Pod, Probe } from '#api/objects.ts';
import type { EventRecorder } from '#client/events.ts';
import type { Timer } from '#machinery/clock.ts';
import { fieldPath } from '../pods/context.ts';
import { countResult, type ProbeCount, type ProbeKind, timingOf } from './outcome.ts';
import { type ProbeIo, type ProbeTarget, tryProbe } from './try.ts';

/** One start of one container to be probed. */
export interface Probed {
  pod: Pod;
  container: Container;
  target: ProbeTarget;
  startedAtMs: number;
  /** Its startup probe passed before the agent was restarted. */
  alreadyStarted: boolean;
  tell(news: ProbeNews): void;
}

export type ProbeNews =
  | { is: 'started' }
  | { is: 'ready'; ready: boolean }
  | { is: 'unhealthy'; probe: ProbeKind; message: string; graceMs?: number };

/** Probes the containers of a node on a clock. Tells a change only when a threshold is reached. */
export interface Prober {
  /** Harmless when that start is probed already. */
  start(probed: Probed): void;
  stop(sandbox: string, containerId: string): void;
  stopPod(sandbox: string): void;
}

export function prober(io: ProbeIo, recorder: Pick<EventRecorder, 'record'>, signal: AbortSignal): Prober {
  const running = new Map<string, ContainerProbes>();
  const stop = (key: string) => {
    running.get(key)?.stop();
    running.delete(key);
  };
  return {
    start(probed) {
      const key = `${probed.target.sandbox}/${probed.target.containerId}`;
      if (running.has(key) || signal.aborted) return;
      const probes = new ContainerProbes(probed, io, recorder, signal);
      running.set(key, probes);
      probes.begin();
    },
    stop: (sandbox, containerId) => stop(`${sandbox}/${containerId}`),
    stopPod(sandbox) {
      for (const key of [...running.keys()]) if (key.startsWith(`${sandbox}/`)) stop(key);
    },
  };
}

const TITLES: Record<ProbeKind, string> = {
  startup: 'Startup',
  readiness: 'Readiness',
  liveness: 'Liveness',
};

class ContainerProbes {
  readonly #probed: Probed;
  readonly #io: ProbeIo;
  readonly #recorder: Pick<EventRecorder, 'record'>;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #counts = new Map<ProbeKind, ProbeCount>();
  readonly #timers = new Map<ProbeKind, Timer>();

  constructor(probed: Probed, io: ProbeIo, recorder: Pick<EventRecorder, 'record'>, signal: AbortSignal) {
    this.#probed = probed;
    this.#io = io;
    this.#recorder = recorder;
    this.#signal = AbortSignal.any([this.#stop.signal, signal]);
  }

  /** The startup probe holds back the other two. */
  begin(): void {
    const { startupProbe } = this.#probed.container;
    if (startupProbe && !this.#probed.alreadyStarted)
      this.#plan('startup', startupProbe, this.#firstDelay(startupProbe));
    else this.#started();
  }

  stop(): void {
    this.#stop.abort();
    for (const timer of this.#timers.values()) timer.cancel();
  }

  #started(): void {
    const { livenessProbe, readinessProbe } = this.#probed.container;
    this.#probed.tell({ is: 'started' });
    if (readinessProbe) this.#plan('readiness', readinessProbe, this.#firstDelay(readinessProbe));
    else this.#probed.tell({ is: 'ready', ready: true });
    if (livenessProbe) this.#plan('liveness', livenessProbe, this.#firstDelay(livenessProbe));
  }

  #firstDelay(probe: Probe): number {
    return Math.max(0, this.#probed.startedAtMs + timingOf(probe).initialDelayMs - this.#io.clock.now());
  }

  #plan(kind: ProbeKind, probe: Probe, delayMs: number): void {
    if (this.#signal.aborted) return;
    this.#timers.set(
      kind,
      this.#io.clock.timer(delayMs, () => void this.#try(kind, probe)),
    );
  }

  async #try(kind: ProbeKind, probe: Probe): Promise<void> {
    const began = this.#io.clock.monotonic();
    const result = await tryProbe(probe, this.#probed.target, this.#io, this.#signal);
    if (this.#signal.aborted) return;
    const { count, verdict } = countResult(this.#counts.get(kind), result.ok, probe);
    this.#counts.set(kind, count);
    if (!result.ok) {
      const { pod, container } = this.#probed;
      const message = `${TITLES[kind]} probe failed: ${result.message}`;
      this.#recorder.record(pod, 'Warning', { reason: 'Unhealthy', message }, fieldPath(pod, container.name));
    }
    const goesOn = verdict === undefined || this.#judge(kind, probe, verdict);
    const spent = this.#io.clock.monotonic() - began;
    if (goesOn) this.#plan(kind, probe, Math.max(0, timingOf(probe).periodMs - spent));
  }

  /** Acts on a verdict; false when the probe has done its duty. */
  #judge(kind: ProbeKind, probe: Probe, ok: boolean): boolean {
    if (kind === 'readiness') {
      this.#probed.tell({ is: 'ready', ready: ok });
      return true;
    }
    if (ok) {
      if (kind === 'startup') this.#started();
      return kind === 'liveness';
    }
    const seconds = probe.terminationGracePeriodSeconds;
    const message = `Container ${this.#probed.container.name} failed ${kind} probe, will be restarted`;
    this.stop();
    this.#probed.tell({
      is: 'unhealthy',
      probe: kind,
      message,
      ...(seconds !== undefined && { graceMs: seconds * 1000 }),
    });
    return false;
  }
}
