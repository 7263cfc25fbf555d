import type * as http from 'node:http';
import * as https from 'node:https';
import { Readable } from 'node:stream';
import type { Clock } from '../clock.ts';
import { requestTo, tlsThrough } from './connect.ts';
import type { ProxyFor } from './rules.ts';

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Answers to these have no body (Fetch standard, "null body status"). */
const WITHOUT_BODY = new Set([204, 205, 304]);

/**
 * Fetches by the proxy that is meant for a URL, or by `direct` where there is none: GETs with plain headers, whose redirects are answers as
 * others (`redirect: 'manual'`). Node's own fetch knows neither CIDRs nor proxies over TLS. `ca`, `serverCa`: PEM of authorities for the
 * proxy's and the servers' certificates, in place of the system's.
 */
export function proxiedFetch(
  proxyFor: ProxyFor,
  direct: Fetch,
  { clock, ca, serverCa }: { clock: Clock; ca?: string; serverCa?: string },
): Fetch {
  return async (text, init) => {
    const url = new URL(text);
    const proxy = proxyFor(url);
    if (!proxy) return await direct(text, init);
    const signal = init.signal ?? undefined;
    const headers = { ...(init.headers as Record<string, string>), host: url.host };
    if (url.protocol === 'https:') {
      const trust = serverCa === undefined ? {} : { ca: serverCa };
      const socket = await tlsThrough(proxy, url, trust, { clock, signal, ...(ca !== undefined && { ca }) });
      return await answerOf(https.request(url, { headers, signal, createConnection: () => socket }));
    }
    return await answerOf(requestTo(proxy, { method: 'GET', path: url.href, headers, signal }, ca));
  };
}

function answerOf(request: http.ClientRequest): Promise<Response> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.once('response', (message) => {
      const status = message.statusCode ?? 502;
      const headers = new Headers();
      for (const [name, values] of Object.entries(message.headersDistinct))
        for (const value of values ?? []) headers.append(name, value);
      if (WITHOUT_BODY.has(status)) message.resume();
      const body = WITHOUT_BODY.has(status) ? null : (Readable.toWeb(message) as unknown as ReadableStream);
      resolve(new Response(body, { status, headers }));
    });
    request.end();
  });
}
