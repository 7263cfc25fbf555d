/**
 * What operators look into: /debug, for whom RBAC lets (`nonResourceURLs`; by default cluster-admin alone). Source:
 * kube-apiserver, /debug/pprof and /debug/api_priority_and_fairness.
 */
import type { Clock } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { TransportResponse } from '#machinery/transport.ts';
import type { PathHandler, RequestContext } from '../contract.ts';
import { dumpPriorityLevels, dumpQueues, dumpRequests } from '../fairness/dump.ts';
import type { Fairness } from '../fairness/index.ts';
import { cpuProfile, heapSnapshot, heapStatistics } from './profile.ts';

/** Source: Go, net/http/pprof. */
const DEFAULT_SECONDS = 30;
const MOST_SECONDS = 300;

export function debugHandlers(parts: {
  fairness: Fairness;
  clock: Clock;
  /** The flags the process runs with, as on a command line. */
  flags: readonly string[];
}): PathHandler[] {
  const { fairness, clock, flags } = parts;
  const text = (path: string, write: (context: RequestContext) => string): PathHandler => ({
    path: `/debug/${path}`,
    verb: 'get',
    serve: async (context) => answer('text/plain; charset=utf-8', Buffer.from(write(context))),
  });
  const once = oneAtATime();
  return [
    text('flags', () => flagLines(flags)),
    text('api_priority_and_fairness/dump_priority_levels', () => dumpPriorityLevels(fairness)),
    text('api_priority_and_fairness/dump_queues', () => dumpQueues(fairness)),
    text('api_priority_and_fairness/dump_requests', ({ info }) =>
      dumpRequests(fairness, clock, Boolean(info.query.get('includeRequestDetails'))),
    ),
    {
      path: '/debug/pprof/profile',
      verb: 'get',
      serve: ({ info, signal }) =>
        once(async () => {
          const profile = await cpuProfile(clock, secondsOf(info.query) * 1000, signal);
          return answer('application/json', Buffer.from(profile));
        }),
    },
    {
      path: '/debug/pprof/heap',
      verb: 'get',
      async serve({ info }) {
        const asked = info.query.get('debug');
        if (asked === 'snapshot')
          return once(async () => answer('application/octet-stream', await heapSnapshot()));
        if (asked)
          throw new StatusError(
            'BadRequest',
            `debug: Unsupported value: ${JSON.stringify(asked)}: supported values: "snapshot"`,
          );
        return answer(
          'application/json',
          Buffer.from(`${JSON.stringify(await heapStatistics(), null, 2)}\n`),
        );
      },
    },
  ];
}

function answer(contentType: string, body: TransportResponse['body']): TransportResponse {
  return { status: 200, headers: { 'content-type': contentType, 'x-content-type-options': 'nosniff' }, body };
}

/** `--name value` as a line each. */
function flagLines(flags: readonly string[]): string {
  return flags
    .map((flag, at) => (flag.startsWith('--') && at > 0 ? `\n${flag}` : at > 0 ? ` ${flag}` : flag))
    .join('')
    .concat('\n');
}

function secondsOf(query: URLSearchParams): number {
  const text = query.get('seconds');
  const seconds = text === null ? DEFAULT_SECONDS : Number(text);
  if (seconds > 0 && seconds <= MOST_SECONDS) return seconds;
  throw new StatusError(
    'BadRequest',
    `seconds: Invalid value: ${JSON.stringify(text)}: must be between 0 and ${MOST_SECONDS}`,
  );
}

/** Profiles cost much and share one profiler. */
function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let running = false;
  return async (work) => {
    if (running)
      throw new StatusError('Conflict', 'profiling is already in use: wait until that has come to its end');
    running = true;
    try {
      return await work();
    } finally {
      running = false;
    }
  };
}
