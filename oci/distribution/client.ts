import { type Digest, ImageError, type RegistryCredentials } from '../contract.ts';
import { INDEX_TYPES, MANIFEST_TYPES } from '../media-types.ts';
import type { Reference } from '../reference.ts';
import { answerChallenge, parseChallenge } from './auth.ts';
import { type Fetch, firstText, follow } from './follow.ts';

/** A manifest or index as the registry sent it. */
export interface RemoteManifest {
  mediaType: string;
  bytes: Uint8Array;
}

/** OCI distribution-spec: registries limit manifests to 4 MiB. */
const MANIFEST_LIMIT_BYTES = 4 * 1024 * 1024;

/** Of an answer that is no list of errors: enough to recognize a proxy by, too little to read another server's secrets. */
const MAX_PLAIN_WORDS = 200;

/** Docker Hub's API lives under another name than its images. */
const API_HOSTS: Record<string, string> = { 'docker.io': 'registry-1.docker.io' };

/**
 * Reads one repository of one registry. Sources: OCI distribution-spec 1.1, section "Pull". The registry's words are kept
 * in the ImageError a call fails with.
 */
export class RegistryClient {
  readonly #reference: Reference;
  readonly #fetch: Fetch;
  readonly #credentials: RegistryCredentials | undefined;
  readonly #scheme: 'https' | 'http';
  #authorization: string | undefined;

  constructor(reference: Reference, fetch: Fetch, credentials?: RegistryCredentials) {
    this.#reference = reference;
    this.#fetch = fetch;
    this.#credentials = credentials;
    // As with Docker, a registry on this machine may speak plain HTTP.
    this.#scheme = isLoopback(reference.registry) ? 'http' : 'https';
  }

  /** `tagOrDigest` of the manifest. */
  async manifest(tagOrDigest: string, signal: AbortSignal): Promise<RemoteManifest> {
    const accept = [...MANIFEST_TYPES, ...INDEX_TYPES].join(', ');
    const response = await this.#get(`manifests/${tagOrDigest}`, { accept }, signal);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of bodyOf(response)) {
      size += chunk.length;
      if (size > MANIFEST_LIMIT_BYTES) throw new ImageError('Invalid', 'the manifest is larger than 4 MiB');
      chunks.push(chunk);
    }
    const mediaType = (response.headers.get('content-type') ?? '').split(';')[0]!.trim();
    return { mediaType, bytes: Buffer.concat(chunks) };
  }

  /** The bytes of a blob; the caller verifies them. */
  async blob(digest: Digest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return bodyOf(await this.#get(`blobs/${digest}`, {}, signal));
  }

  async #get(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const { registry, repository } = this.#reference;
    const url = `${this.#scheme}://${API_HOSTS[registry] ?? registry}/v2/${repository}/${path}`;
    let response = await this.#send(url, headers, signal);
    if (response.status === 401) {
      const challenge = parseChallenge(response.headers.get('www-authenticate') ?? '');
      await response.body?.cancel();
      const scope = `repository:${repository}:pull`;
      const asked = { registry: new URL(url), scope, credentials: this.#credentials };
      this.#authorization = await answerChallenge(challenge, asked, this.#fetch, signal);
      response = await this.#send(url, headers, signal);
    }
    if (!response.ok) throw await refusal(response, this.#reference, path);
    return response;
  }

  async #send(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const authorization = this.#authorization;
    try {
      const sent = authorization ? { ...headers, authorization } : headers;
      return await follow(this.#fetch, url, sent, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof ImageError) throw error;
      const cause = (error as { cause?: Error }).cause ?? (error as Error);
      const why = cause.message || (cause as NodeJS.ErrnoException).code || String(cause);
      throw new ImageError('Unreachable', `failed to reach the registry: GET ${url}: ${why}`);
    }
  }
}

async function* bodyOf(response: Response): AsyncIterable<Uint8Array> {
  if (!response.body) return;
  try {
    for await (const chunk of response.body) yield chunk;
  } catch (error) {
    throw new ImageError('Unreachable', `the registry's answer broke off: ${(error as Error).message}`);
  }
}

/** The registry's own error list, in one line. Source: OCI distribution-spec, "Error Codes". */
async function refusal(response: Response, reference: Reference, path: string): Promise<ImageError> {
  const text = await firstText(response, 4096);
  const where = `${reference.registry}/${reference.repository} (${path})`;
  const words = errorWords(text) || `HTTP ${response.status}`;
  if (response.status === 404) return new ImageError('NotFound', `${where}: not found: ${words}`);
  if (response.status === 401 || response.status === 403) {
    const hint = 'pull access denied, repository does not exist or may require authorization';
    return new ImageError('Unauthorized', `${where}: ${hint}: ${words}`);
  }
  return new ImageError('Unreachable', `${where}: unexpected status ${response.status}: ${words}`);
}

function errorWords(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: string; message?: string }[] };
    return (errors ?? []).map(({ code, message }) => [code, message].filter(Boolean).join(': ')).join('; ');
  } catch {
    // Not every proxy in front of a registry answers with JSON; its text is still the best explanation.
    return (text.trim().split('\n')[0] ?? '').slice(0, MAX_PLAIN_WORDS);
  }
}

function isLoopback(registry: string): boolean {
  const host = registry.replace(/:\d+$/, '');
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}
