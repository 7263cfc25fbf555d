import { ImageError, type RegistryCredentials } from '../contract.ts';

/** A WWW-Authenticate challenge. Source: RFC 9110 section 11.6.1. */
export interface Challenge {
  scheme: string;
  parameters: Record<string, string>;
}

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export function parseChallenge(header: string): Challenge {
  const space = header.indexOf(' ');
  const scheme = (space < 0 ? header : header.slice(0, space)).toLowerCase();
  const parameters: Record<string, string> = {};
  for (const [, name, quoted, plain] of header
    .slice(scheme.length)
    .matchAll(/([a-z_]+)=(?:"([^"]*)"|([^\s,]+))/gi)) {
    parameters[name!.toLowerCase()] = quoted ?? plain!;
  }
  return { scheme, parameters };
}

/**
 * The Authorization header that answers a challenge: Basic, or a token from the realm it names. Source: Docker token
 * authentication specification. ImageError Unauthorized when there is nothing to answer with.
 */
export async function answerChallenge(
  challenge: Challenge,
  scope: string,
  credentials: RegistryCredentials | undefined,
  fetch: Fetch,
  signal: AbortSignal,
): Promise<string> {
  if (challenge.scheme === 'basic') {
    if (!credentials) throw new ImageError('Unauthorized', 'no basic auth credentials');
    return basic(credentials);
  }
  const { realm, service } = challenge.parameters;
  if (challenge.scheme !== 'bearer' || !realm) {
    throw new ImageError(
      'Unauthorized',
      `the registry asks for "${challenge.scheme}" authentication, which is not known`,
    );
  }
  const url = new URL(realm);
  if (service) url.searchParams.set('service', service);
  url.searchParams.set('scope', challenge.parameters['scope'] ?? scope);
  const headers: Record<string, string> = credentials ? { authorization: basic(credentials) } : {};
  const response = await fetch(url.href, { headers, signal });
  if (!response.ok)
    throw new ImageError('Unauthorized', `the token server ${url.host} answered ${response.status}`);
  const body = (await response.json()) as { token?: string; access_token?: string };
  const token = body.token ?? body.access_token;
  if (!token) throw new ImageError('Unauthorized', `the token server ${url.host} sent no token`);
  return `Bearer ${token}`;
}

function basic({ username, password }: RegistryCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
