import { Family, quoted } from '#machinery/metrics/exposition.ts';
import type { TransportResponse } from '#machinery/transport.ts';

export interface Check {
  name: string;
  /** Says whether to send requests here, not whether to restart the process: only for /readyz. */
  readiness?: true;
  /** Undefined when all is well, or what is wrong. Cheap. */
  fault(): string | undefined;
}

const PATHS = ['/healthz', '/livez', '/readyz'];

/** /healthz, /livez and /readyz, whole or one check of them. Source: Kubernetes, "API health endpoints". */
export function healthResponse(
  path: string,
  query: URLSearchParams,
  checks: readonly Check[],
): TransportResponse | undefined {
  const root = PATHS.find((each) => path === each || path.startsWith(`${each}/`));
  if (!root) return undefined;
  const wanted = path.slice(root.length + 1);
  const relevant = checks.filter(({ readiness }) => !readiness || root === '/readyz');
  const chosen = relevant.filter(({ name }) =>
    wanted ? name === wanted : !query.getAll('exclude').includes(name),
  );
  if (wanted && chosen.length === 0) return text(404, `no check is called ${wanted}\n`);
  const results = chosen.map(({ name, fault }) => ({ name, fault: fault() }));
  const failed = results.some(({ fault }) => fault !== undefined);
  if (!failed && !query.has('verbose')) return text(200, 'ok');
  const lines = results.map(({ name, fault }) =>
    fault === undefined ? `[+]${name} ok` : `[-]${name} failed: ${fault}`,
  );
  const verdict = `${root.slice(1)} check ${failed ? 'failed' : 'passed'}`;
  return text(failed ? 500 : 200, `${lines.join('\n')}\n${verdict}\n`);
}

/** Each check as a number, as component-base of Kubernetes tells it. */
export function healthMetrics(checks: readonly Check[]): string {
  const family = new Family('kubernetes_healthcheck', 'gauge', 'Whether a check is well, 1 or 0.');
  for (const { name, readiness, fault } of checks) {
    const value = fault() === undefined ? 1 : 0;
    for (const type of readiness ? ['readyz'] : ['livez', 'readyz'])
      family.value(`name=${quoted(name)},type="${type}"`, value);
  }
  return family.text();
}

function text(status: number, body: string): TransportResponse {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body: Buffer.from(body),
  };
}
