import { ServiceAccountKind } from '#api/kinds/service-account.ts';
import type { Pod, TokenRequest } from '#api/objects.ts';
import type { Client } from '#client/contract.ts';
import type { Clock } from '#machinery/clock.ts';

export interface Token {
  text: string;
  /** When a new one should be fetched: after 80 % of its life, as Kubernetes does. */
  renewAtMs: number;
}

/** Tokens of service accounts, bound to pods; fetched once and kept until they are to be renewed. */
export interface PodTokens {
  get(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<Token>;
  forget(uid: string): void;
}

const RENEW_AFTER = 0.8;

export function podTokens(client: Client, clock: Clock): PodTokens {
  const kept = new Map<string, Map<string, Promise<Token>>>();
  return {
    async get(pod, audience, expirationSeconds) {
      const uid = pod.metadata.uid!;
      const tokens = kept.get(uid) ?? new Map<string, Promise<Token>>();
      kept.set(uid, tokens);
      const key = `${audience ?? ''} ${expirationSeconds}`;
      const known = await tokens.get(key);
      if (known && known.renewAtMs > clock.now()) return known;
      const asked = fetchToken(client, clock, pod, audience, expirationSeconds);
      tokens.set(key, asked);
      // A failed request is not kept; its error reaches the caller.
      asked.catch(() => tokens.delete(key));
      return asked;
    },
    forget: (uid) => void kept.delete(uid),
  };
}

async function fetchToken(
  client: Client,
  clock: Clock,
  pod: Pod,
  audience: string | undefined,
  expirationSeconds: number,
): Promise<Token> {
  const { name, namespace, uid } = pod.metadata;
  const account = pod.spec?.serviceAccountName || 'default';
  const answer = await client.post<TokenRequest>(ServiceAccountKind, { namespace, name: account }, 'token', {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: {
      audiences: audience === undefined ? [] : [audience],
      expirationSeconds,
      boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
    },
  });
  const expires = Date.parse(String(answer.status?.expirationTimestamp));
  const now = clock.now();
  const lifeMs = Number.isNaN(expires) ? expirationSeconds * 1000 : expires - now;
  return { text: String(answer.status?.token), renewAtMs: now + lifeMs * RENEW_AFTER };
}
