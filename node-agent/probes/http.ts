import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { HttpTarget } from './target.ts';

/** The beginning of a body is enough for a message. */
const MAX_BODY = 10 * 1024;

/** One GET; rejects when there is no answer. Passed in, so that tests need no network. */
export type HttpGet = (target: HttpTarget, signal: AbortSignal) => Promise<{ status: number; body: string }>;

/**
 * A GET from the node, without keep-alive and without checking certificates: it asks whether the program lives, not who
 * it is. Redirects are not followed, so 3xx counts as an answer.
 */
export const systemHttpGet: HttpGet = (target, signal) =>
  new Promise((resolve, reject) => {
    const send = target.scheme === 'https' ? httpsRequest : httpRequest;
    const request = send({
      host: target.host,
      port: target.port,
      path: target.path,
      headers: { ...target.headers, connection: 'close' },
      agent: false,
      rejectUnauthorized: false,
      signal,
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        // A body without end must not keep the probe.
        if (body.length > MAX_BODY) response.destroy();
      });
      response.on('error', reject);
      response.on('close', () =>
        resolve({ status: response.statusCode ?? 0, body: body.slice(0, MAX_BODY) }),
      );
    });
    request.end();
  });
