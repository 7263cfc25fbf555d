import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Clock, rfc3339 } from '#machinery/clock.ts';
import { type LogOptions, readLog } from '../logs/read.ts';
import { type AgentPaths, logPath } from '../paths.ts';
import { containerObserved } from '../pods/observed.ts';
import type { PodRoster } from '../pods/roster.ts';
import { RequestFault } from './fault.ts';
import { containerNameOf, logRunOf, type RequestTarget, workerOf } from './target.ts';

export interface LogsContext {
  roster: Pick<PodRoster, 'find'>;
  paths: AgentPaths;
  clock: Clock;
}

/** GET containerLogs: plain text, for as long as the container writes when it is followed. */
export async function serveLogs(
  context: LogsContext,
  target: RequestTarget,
  response: ServerResponse,
): Promise<void> {
  const { paths, clock } = context;
  const options = logOptions(target.query, clock);
  const worker = workerOf(context.roster, target);
  const name = containerNameOf(worker, target);
  const run = logRunOf(worker, name, target.query.get('previous') === 'true');
  const isLive = () => {
    const current = containerObserved(worker.observed(), name).run;
    return current?.attempt === run.attempt && current.exit === undefined;
  };
  const source = { path: logPath(paths, worker.pod(), name, run.attempt), isLive };
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.flushHeaders();
  await pipeline(Readable.from(readLog(source, options, clock, gone.signal)), response);
}

function logOptions(query: URLSearchParams, clock: Clock): LogOptions {
  const seconds = numberOf(query, 'sinceSeconds');
  const stream = query.get('stream')?.toLowerCase();
  return {
    follow: query.get('follow') === 'true',
    timestamps: query.get('timestamps') === 'true',
    tailLines: numberOf(query, 'tailLines'),
    limitBytes: numberOf(query, 'limitBytes'),
    since:
      query.get('sinceTime') ?? (seconds === undefined ? undefined : rfc3339(clock.now() - seconds * 1000)),
    ...((stream === 'stdout' || stream === 'stderr') && { stream }),
  };
}

function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw new RequestFault(400, `${name} must be a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}
