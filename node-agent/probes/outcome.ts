import type { Probe } from '#api/objects.ts';

export type ProbeKind = 'startup' | 'readiness' | 'liveness';

/** What one try said. */
export interface ProbeResult {
  ok: boolean;
  /** What a failure is told with: `HTTP probe failed with statuscode: 500`. */
  message: string;
}

/** Tries in a row with the same result. */
export interface ProbeCount {
  ok: boolean;
  times: number;
}

/** Defaults of the API, for a probe that did not pass the server. */
export function timingOf(probe: Probe) {
  return {
    initialDelayMs: (probe.initialDelaySeconds ?? 0) * 1000,
    periodMs: (probe.periodSeconds || 10) * 1000,
    timeoutMs: (probe.timeoutSeconds || 1) * 1000,
    successThreshold: probe.successThreshold || 1,
    failureThreshold: probe.failureThreshold || 3,
  };
}

/**
 * Counts a result in. `verdict` is set when a threshold is reached: only then anything changes.
 * Source: Kubernetes documentation, "Configure Probes".
 */
export function countResult(
  count: ProbeCount | undefined,
  ok: boolean,
  probe: Probe,
): { count: ProbeCount; verdict?: boolean } {
  const times = count?.ok === ok ? count.times + 1 : 1;
  const { successThreshold, failureThreshold } = timingOf(probe);
  const reached = times >= (ok ? successThreshold : failureThreshold);
  return { count: { ok, times }, ...(reached && { verdict: ok }) };
}
