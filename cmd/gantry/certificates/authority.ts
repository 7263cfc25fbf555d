import * as https from 'node:https';
import { WELL_KNOWN } from '#api/well-known.ts';
import { type Http2Transport, http2Transport } from '#client/http2-transport.ts';
import { type Clock, systemClock } from '#machinery/clock.ts';
import { tlsThrough } from '#machinery/proxy/connect.ts';
import { collect } from '#machinery/transport.ts';
import { serverProxy } from '../connection/proxy.ts';
import { authoritiesWith, bearerOf, type JoinToken } from '../membership/join-token.ts';

/** Where every server shows the authority of its certificate, to anybody. */
const PATH = `${WELL_KNOWN}/ca.pem`;
const LIMIT_BYTES = 256 * 1024;
const TIMEOUT_MS = 10_000;

/**
 * The authorities (PEM) that the server at `url` names as its own. Nothing vouches for them yet: whoever is at that address
 * may have answered, so the caller has to compare them with a hash it got another way.
 */
async function fetchAuthority(url: string, signal: AbortSignal): Promise<string> {
  const proxy = serverProxy()(new URL(url));
  const unverified = { rejectUnauthorized: false };
  const connection =
    proxy && (await tlsThrough(proxy, new URL(url), unverified, { clock: systemClock, signal }));
  return await new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(new Error(`${url} cannot be reached: ${error.message}`));
    const way = connection ? { createConnection: () => connection } : { agent: false };
    const options = { ...unverified, timeout: TIMEOUT_MS, signal, ...way };
    const request = https.get(`${url}${PATH}`, options, (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        fail(new Error(`it answers ${response.statusCode} to ${PATH}: it is no server of a cluster`));
        return;
      }
      collect(response, LIMIT_BYTES).then((bytes) => resolve(Buffer.from(bytes).toString()), fail);
    });
    request.once('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    request.once('error', fail);
  });
}

/** The authority (PEM) of the server at `url`, which the token vouches for. Throws when it is another one than the token's. */
async function vouchedAuthority(url: string, token: JoinToken, signal: AbortSignal): Promise<string> {
  const ca = authoritiesWith(await fetchAuthority(url, signal), token.authorityHash);
  if (ca === '')
    throw new Error(`${url} is not the server that this token is for: its authority has another hash`);
  return ca;
}

/** A way to that server with the rights of the token, and the authority (PEM) it was compared with. */
export async function tokenTransport(
  url: string,
  token: JoinToken,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<{ ca: string; transport: Http2Transport }> {
  const ca = await vouchedAuthority(url, token, signal);
  const transport = http2Transport({ url, proxy: serverProxy(), clock, ca, token: () => bearerOf(token) });
  return { ca, transport };
}
