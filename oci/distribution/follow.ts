import { ImageError } from '../contract.ts';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * A GET that follows redirects as far as they are safe: credentials never go to another origin than the one they were given
 * for, and what began encrypted never becomes plain, or a registry could make a node read what only the node can reach.
 */
export async function follow(
  fetch: Fetch,
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  let at = new URL(url);
  let sent = headers;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await fetch(at.href, { headers: sent, signal, redirect: 'manual' });
    const location = response.headers.get('location');
    if (!REDIRECTS.has(response.status) || location === null) return response;
    await response.body?.cancel();
    const next = URL.canParse(location, at) ? new URL(location, at) : undefined;
    if (!next || (next.protocol !== 'https:' && next.protocol !== at.protocol)) {
      throw new ImageError('Unreachable', `GET ${at.href}: the redirect to ${location} is not followed`);
    }
    if (next.origin !== at.origin) {
      sent = Object.fromEntries(Object.entries(sent).filter(([name]) => name !== 'authorization'));
    }
    at = next;
  }
  throw new ImageError('Unreachable', `GET ${url}: more than ${MAX_REDIRECTS} redirects`);
}

/** The beginning of a body, as text: whoever sends more is not listened to. */
export async function firstText(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop ends the transfer.
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= maxBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes).toString();
}
