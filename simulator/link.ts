/** How a part reaches the server in a simulated cluster: a Transport that can be slow, lossy or cut. */
import { type Clock, sleep } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { Random } from '#machinery/random.ts';
import type { Body, Identity, Transport, TransportRequest, TransportResponse } from '#machinery/transport.ts';

/** What is wrong with the way to the server now; everything at rest = a perfect network. */
export interface Weather {
  /** Nothing passes, and open streams break. */
  cut: boolean;
  /** Before each answer and each piece of a stream. */
  delayMs: number;
  /** Up to this more, anew each time: what comes over two streams changes its order. */
  jitterMs: number;
  /** So many of the next requests are done, but their answers are lost. */
  loseAnswers: number;
  /** So many of the next writes are answered with a conflict. */
  conflicts: number;
}

export const calm = (): Weather => ({ cut: false, delayMs: 0, jitterMs: 0, loseAnswers: 0, conflicts: 0 });

export interface LinkOptions {
  clock: Clock;
  random: Random;
  identity: Identity;
  weather: Weather;
  /** The server that runs now, with the signal of its end; undefined while there is none. */
  server(): { transport: Transport; ended: AbortSignal } | undefined;
  /** The caller's own end: afterwards it cannot ask anything. */
  signal: AbortSignal;
}

export function link(options: LinkOptions): Transport {
  const { identity, weather, signal } = options;
  const request = async (asked: TransportRequest): Promise<TransportResponse> => {
    const server = options.server();
    if (signal.aborted || !server || weather.cut) throw unreachable();
    if (weather.conflicts > 0 && (asked.method === 'PUT' || asked.method === 'PATCH')) {
      weather.conflicts--;
      throw new StatusError('Conflict', 'injected: somebody else was quicker');
    }
    const answer = await server.transport.request({ ...asked, identity });
    await travel(options);
    if (weather.loseAnswers > 0) {
      weather.loseAnswers--;
      throw unreachable();
    }
    if (signal.aborted || server.ended.aborted || weather.cut) throw unreachable();
    const broken = () => server.ended.aborted || weather.cut || signal.aborted;
    return { ...answer, body: stormy(answer.body, options, broken) };
  };
  const upgrade = () => Promise.reject(unreachable());
  return { request, upgrade };
}

/** Pieces keep their order; a stream that is cut ends with an error at its next piece. */
function stormy(body: Body, options: LinkOptions, broken: () => boolean): Body {
  if (body instanceof Uint8Array) return body;
  return (async function* () {
    for await (const piece of body) {
      await travel(options);
      if (broken()) throw unreachable();
      yield piece;
    }
    if (broken()) throw unreachable();
  })();
}

async function travel({ clock, random, weather }: LinkOptions): Promise<void> {
  const jitterMs = weather.jitterMs > 0 ? Math.floor(random.next() * weather.jitterMs) : 0;
  if (weather.delayMs + jitterMs > 0) await sleep(clock, weather.delayMs + jitterMs);
}

function unreachable(): StatusError {
  return new StatusError('ServiceUnavailable', 'injected: the server cannot be reached');
}
