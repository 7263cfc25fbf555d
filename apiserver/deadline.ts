/** How long a request may take, and the answer to one that takes longer. Source: kube-apiserver, WithRequestDeadline. */
import { StatusError } from '#machinery/errors.ts';
import type { RequestInfo } from './contract.ts';
import { isLongRunning } from './request-info.ts';

/** Source: kube-apiserver, --request-timeout. */
const REQUEST_TIMEOUT_MS = 60_000;

/**
 * Milliseconds; undefined when it may take as long as the client wants. `?timeout=5s` asks for less than the server's own
 * limit, never for more. BadRequest for a duration that cannot be read.
 */
export function timeoutMs(info: RequestInfo): number | undefined {
  if (isLongRunning(info)) return undefined;
  const text = info.query.get('timeout');
  if (!text) return REQUEST_TIMEOUT_MS;
  const asked = durationMs(text);
  return asked > 0 ? Math.min(asked, REQUEST_TIMEOUT_MS) : REQUEST_TIMEOUT_MS;
}

/** The same of a request that will be told that its timeout cannot be read. */
export function timeoutOrDefaultMs(info: RequestInfo): number | undefined {
  try {
    return timeoutMs(info);
  } catch (error) {
    if (error instanceof StatusError) return REQUEST_TIMEOUT_MS;
    throw error;
  }
}

export function timedOut(): StatusError {
  return new StatusError('Timeout', 'Timeout: request did not complete within the allotted timeout', {});
}

const UNITS_MS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const WHOLE = /^[+-]?(?:0|(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/** A duration as Go writes it: `300ms`, `1.5h`, `2h45m`. */
function durationMs(text: string): number {
  if (!WHOLE.test(text)) throw unreadable(text);
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(PART)) sum += Number(amount) * UNITS_MS[unit!]!;
  return text.startsWith('-') ? -sum : sum;
}

/** In the words of Go's time.ParseDuration. */
function unreadable(text: string): StatusError {
  const quoted = JSON.stringify(text);
  const unit = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))*(?:\d+\.?\d*|\.\d+)([^\d.]*)/.exec(
    text,
  )?.[1];
  const why =
    unit === undefined
      ? `invalid duration ${quoted}`
      : unit === ''
        ? `missing unit in duration ${quoted}`
        : `unknown unit ${JSON.stringify(unit)} in duration ${quoted}`;
  return new StatusError('BadRequest', `invalid timeout specified in the request URL - time: ${why}`);
}
