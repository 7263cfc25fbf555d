import { ImageError, type RegistryCredentials } from '../contract.ts';
import { type Fetch, firstText, follow } from './follow.ts';

/** Tokens of large registries have a few kilobytes. */
const TOKEN_LIMIT_BYTES = 256 * 1024;

/** A WWW-Authenticate challenge. Source: RFC 9110 section 11.6.1. */
export interface Challenge {
  scheme: string;
  parameters: Record<string, string>;
}

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
  {
    registry,
    scope,
    credentials,
  }: { registry: URL; scope: string; credentials: RegistryCredentials | undefined },
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
  const url = realmUrl(realm, registry);
  if (service) url.searchParams.set('service', service);
  url.searchParams.set('scope', challenge.parameters['scope'] ?? scope);
  const headers: Record<string, string> = credentials ? { authorization: basic(credentials) } : {};
  const response = await follow(fetch, url.href, headers, signal);
  const text = await firstText(response, TOKEN_LIMIT_BYTES);
  if (!response.ok)
    throw new ImageError('Unauthorized', `the token server ${url.host} answered ${response.status}`);
  const token = tokenIn(text);
  if (!token) throw new ImageError('Unauthorized', `the token server ${url.host} sent no token`);
  return `Bearer ${token}`;
}

/** Where tokens are made. Only a registry that is itself spoken to in plain HTTP may name a plain one. */
function realmUrl(realm: string, registry: URL): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url?.protocol === 'https:' || (url && url.protocol === registry.protocol)) return url;
  throw new ImageError(
    'Unauthorized',
    `the registry names the token server "${realm}", which is not trusted`,
  );
}

function tokenIn(text: string): string | undefined {
  try {
    const { token, access_token } = JSON.parse(text) as { token?: unknown; access_token?: unknown };
    const found = token ?? access_token;
    return typeof found === 'string' && found !== '' ? found : undefined;
  } catch {
    return undefined; // it is not shown: it may be of a server that was not meant
  }
}

function basic({ username, password }: RegistryCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
