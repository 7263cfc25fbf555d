/** How a part reaches the server in a simulated cluster: a Transport that can be slow, lossy or cut. */
import { type Clock, sleep } from '#machinery/clock.ts';
import { StatusError } from '#machinery/errors.ts';
import type { Body, Identity, Transport, TransportRequest, TransportResponse } from '#machinery/transport.ts';

/** What is wrong with the way to the server now; everything at rest = a perfect network. */
export interface Weather {
  /** Nothing passes, and open streams break. */
  cut: boolean;
  /** Before each answer and each piece of a stream. */
  delayMs: number;
  /** So many of the next requests are done, but their answers are lost. */
  loseAnswers: number;
  /** So many of the next writes are answered with a conflict. */
  conflicts: number;
}

export const calm = (): Weather => ({ cut: false, delayMs: 0, loseAnswers: 0, conflicts: 0 });

export interface LinkOptions {
  clock: Clock;
  identity: Identity;
  weather: Weather;
  /** The server that runs now, with the signal of its end; undefined while there is none. */
  server(): { transport: Transport; ended: AbortSignal } | undefined;
  /** The caller's own end: afterwards it cannot ask anything. */
  signal: AbortSignal;
}

export function link(options: LinkOptions): Transport {
  const { clock, identity, weather, signal } = options;
  const request = async (asked: TransportRequest): Promise<TransportResponse> => {
    const server = options.server();
    if (signal.aborted || !server || weather.cut) throw unreachable();
    if (weather.conflicts > 0 && (asked.method === 'PUT' || asked.method === 'PATCH')) {
      weather.conflicts--;
      throw new StatusError('Conflict', 'injected: somebody else was quicker');
    }
    const answer = await server.transport.request({ ...asked, identity });
    if (weather.delayMs > 0) await sleep(clock, weather.delayMs);
    if (weather.loseAnswers > 0) {
      weather.loseAnswers--;
      throw unreachable();
    }
    if (signal.aborted || server.ended.aborted || weather.cut) throw unreachable();
    const broken = () => server.ended.aborted || weather.cut || signal.aborted;
    return { ...answer, body: stormy(answer.body, clock, weather, broken) };
  };
  const upgrade = () => Promise.reject(unreachable());
  return { request, upgrade };
}

/** Pieces keep their order; a stream that is cut ends with an error at its next piece. */
function stormy(body: Body, clock: Clock, weather: Weather, broken: () => boolean): Body {
  if (body instanceof Uint8Array) return body;
  return (async function* () {
    for await (const piece of body) {
      if (weather.delayMs > 0) await sleep(clock, weather.delayMs);
      if (broken()) throw unreachable();
      yield piece;
    }
    if (broken()) throw unreachable();
  })();
}

function unreachable(): StatusError {
  return new StatusError('ServiceUnavailable', 'injected: the server cannot be reached');
}
