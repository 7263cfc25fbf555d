import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { systemRandom } from '#machinery/random.ts';
import { type ApiAnswer, ApiWriter, type Say } from './api-writer.ts';
import { Watcher, type WatchLine } from './watcher.ts';

/**
 * `client.ts CONFIG`: what the run is judged by, a process beside the cluster. It writes numbered records through the Service and
 * numbered objects through the API, one after another in each of some loops, and prints a line for each answer (report.ts),
 * until SIGTERM.
 */
export interface ClientConfig {
  /** Where the Service answers: any of them will do. */
  records: string[];
  /** `https://192.0.2.11:6443`. */
  servers: string[];
  ca: string;
  certificate: string;
  key: string;
  namespace: string;
  writers: number;
}

const RECORD_TIMEOUT_MS = 1_000;
const API_TIMEOUT_MS = 4_000;
const RECORD_PAUSE_MS = 20;
const API_PAUSE_MS = 60;
/** After a failure: a cluster that is away must not be drowned in attempts. */
const RETRY_PAUSE_MS = 50;
/** With the writers at work events come all the time. */
const SILENCE_MS = 5_000;
/** After the last write: until the last event. */
const CATCH_UP_MS = 20_000;

const config = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as ClientConfig;
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());

/** Names of the objects that were acknowledged. */
const created = new Set<string>();
const say: Say = (line) => {
  if (line.op === 'create' && line.ok) created.add(`${line.writer}-${line.n}`);
  process.stdout.write(`${JSON.stringify({ t: Date.now(), ...line })}\n`);
};
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Undefined: no whole answer within the time, and so nothing is known. */
type Answer = { status: number; body: string } | { why: string };

function ask(
  request: typeof httpRequest | typeof httpsRequest,
  url: string,
  options: {
    method?: string;
    body?: string;
    headers?: Record<string, string>;
    agent?: Agent;
    timeoutMs: number;
  },
): Promise<Answer> {
  const { timeoutMs, body, ...rest } = options;
  return new Promise((resolve) => {
    const outgoing = request(url, { ...rest, signal: AbortSignal.timeout(timeoutMs) }, (incoming) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      incoming.on('end', () => resolve({ status: incoming.statusCode!, body: text }));
      incoming.on('error', (error) => resolve({ why: error.message }));
    });
    outgoing.on('error', (error) => resolve({ why: error.message }));
    outgoing.end(body);
  });
}

/** The same record again and again, elsewhere each time, until it is acknowledged. */
async function writeRecords(writer: string, first: number): Promise<void> {
  let at = first;
  for (let n = 1; !stop.signal.aborted; n++) {
    for (;;) {
      const entry = config.records[at % config.records.length]!;
      const started = performance.now();
      const url = `${entry}/cgi-bin/record?${writer}-${n}`;
      const answer = await ask(httpRequest, url, { timeoutMs: RECORD_TIMEOUT_MS });
      const ok = 'status' in answer && answer.status === 200 && answer.body.trim() === `${writer}-${n}`;
      const why = ok ? undefined : 'why' in answer ? answer.why : `${answer.status}`;
      say({ op: 'record', writer, n, ok, ms: Math.round(performance.now() - started), via: entry, why });
      if (ok) break;
      if (stop.signal.aborted) return;
      at++;
      await pause(RETRY_PAUSE_MS);
    }
    await pause(RECORD_PAUSE_MS);
  }
}

/** A connection for each server, which ends with the first failure. */
class Api {
  readonly #agents = new Map<string, Agent>();

  async send(server: string, method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    const { ca, certificate: cert, key } = config;
    const agent = this.#agents.get(server) ?? new Agent({ keepAlive: true, maxSockets: 4, ca, cert, key });
    this.#agents.set(server, agent);
    const headers = { 'Content-Type': 'application/json', Accept: 'application/json' };
    const options = { method, headers, agent, timeoutMs: API_TIMEOUT_MS };
    const answer = await ask(httpsRequest, `${server}${path}`, {
      ...options,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const parsed = 'status' in answer ? parse(answer.status, answer.body) : answer;
    if ('status' in parsed) return parsed;
    agent.destroy();
    this.#agents.delete(server);
    return parsed;
  }
}

/** What comes from something other than the API, such as a server that stops, is text. */
function parse(status: number, text: string): ApiAnswer {
  try {
    return { status, body: JSON.parse(text) };
  } catch {
    return status < 300 ? { why: `no JSON: ${text}` } : { status, body: { message: text } as object };
  }
}

async function writeObjects(writer: string, first: number): Promise<void> {
  const api = new Api();
  const { servers, namespace } = config;
  const send = api.send.bind(api);
  const loop = new ApiWriter({ writer, namespace, servers, first, random: systemRandom, send, say });
  while (!stop.signal.aborted) await pause((await loop.step()) ? API_PAUSE_MS : RETRY_PAUSE_MS);
}

/** Lines of one watch; a server that says nothing for a while is left for the next. */
function watch(server: string, path: string, take: (line: WatchLine) => void): Promise<void> {
  const { ca, certificate: cert, key } = config;
  return new Promise((resolve) => {
    const outgoing = httpsRequest(`${server}${path}`, { ca, cert, key, agent: false, timeout: SILENCE_MS });
    outgoing.on('timeout', () => outgoing.destroy());
    outgoing.on('error', () => resolve());
    outgoing.on('response', (incoming) => {
      let rest = '';
      incoming.on('data', (chunk: Buffer) => {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop()!;
        if (incoming.statusCode === 200) for (const line of lines) take(JSON.parse(line));
      });
      incoming.on('error', () => resolve());
      incoming.on('close', () => resolve());
    });
    outgoing.end();
  });
}

/** Until all that was acknowledged has come, when the writers have stopped; what has not come in time is told. */
async function watchObjects(writer: string, written: Promise<unknown>): Promise<void> {
  const api = new Api();
  const { servers, namespace } = config;
  const list = (server: string, path: string) => api.send(server, 'GET', path);
  const watcher = new Watcher({ writer, namespace, servers, list, watch, say });
  const following = (async () => {
    for (;;) {
      await watcher.step();
      await pause(RETRY_PAUSE_MS);
    }
  })();
  await Promise.race([written, following]);
  const end = Date.now() + CATCH_UP_MS;
  while (watcher.missing(created).length > 0 && Date.now() < end) await pause(RETRY_PAUSE_MS);
  for (const name of watcher.missing(created))
    say({ op: 'broken', writer, why: `${name} was acknowledged, and no watch has told it` });
}

const written = Promise.all(
  Array.from({ length: config.writers }, (_, at) => [
    writeRecords(`w${at + 1}`, at),
    writeObjects(`a${at + 1}`, at),
  ]).flat(),
);
await watchObjects('i1', written);
// The watch that it follows has no end of its own.
process.exit(0);
