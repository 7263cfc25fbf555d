import type { RegistryCredentials } from '#oci/contract.ts';

/** The registry of a reference: its first part when that looks like a host, Docker Hub otherwise. */
export function registryOf(reference: string): string {
  const [first = '', ...rest] = reference.split('/');
  const isHost = rest.length > 0 && (first.includes('.') || first.includes(':') || first === 'localhost');
  return isHost ? first : 'docker.io';
}

/** Names under which Docker Hub's credentials are kept. */
const DOCKER_HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

interface Auth {
  username?: string;
  password?: string;
  auth?: string;
}

/**
 * The credentials for a reference in the data of a Secret of type kubernetes.io/dockerconfigjson or dockercfg; the entry
 * with the longest matching path wins. Undefined when it has none or cannot be read.
 */
export function credentialsFor(
  reference: string,
  secret: Record<string, Uint8Array>,
): RegistryCredentials | undefined {
  const auths = authsOf(secret);
  const registry = registryOf(reference);
  const full =
    registry === 'docker.io' && !reference.startsWith('docker.io/') ? `docker.io/${reference}` : reference;
  let best: { length: number; auth: Auth } | undefined;
  for (const [key, auth] of Object.entries(auths)) {
    const place = placeOf(key);
    const [host = ''] = place.split('/');
    const sameHost = host === registry || (registry === 'docker.io' && DOCKER_HUB.includes(host));
    const path = place.slice(host.length);
    const samePath = path === '' || full.slice(registry.length).startsWith(`${path}/`) || isApiVersion(path);
    if (sameHost && samePath && place.length > (best?.length ?? -1)) best = { length: place.length, auth };
  }
  return best && loginOf(best.auth);
}

/** `https://index.docker.io/v1/` → `index.docker.io/v1`. */
function placeOf(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/+$/, '');
}

function isApiVersion(path: string): boolean {
  return path === '/v1' || path === '/v2';
}

function authsOf(secret: Record<string, Uint8Array>): Record<string, Auth> {
  const text = secret['.dockerconfigjson'] ?? secret['.dockercfg'];
  if (!text) return {};
  try {
    const config = JSON.parse(Buffer.from(text).toString()) as { auths?: Record<string, Auth> };
    return (secret['.dockerconfigjson'] ? config.auths : (config as Record<string, Auth>)) ?? {};
  } catch (error) {
    // A secret that is no JSON holds no credentials; the registry will say what it thinks of an anonymous pull.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function loginOf({ username, password, auth }: Auth): RegistryCredentials | undefined {
  if (username !== undefined && password !== undefined) return { username, password };
  if (!auth) return undefined;
  const text = Buffer.from(auth, 'base64').toString();
  const at = text.indexOf(':');
  return at === -1 ? undefined : { username: text.slice(0, at), password: text.slice(at + 1) };
}
