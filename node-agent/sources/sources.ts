import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { SecretKind } from '#api/kinds/secret.ts';
import type { ConfigMap, Secret } from '#api/objects.ts';
import type { Client, Informer } from '#client/contract.ts';
import { startInformer } from '#client/informer.ts';
import type { Clock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Random } from '#machinery/random.ts';
import type { References } from './references.ts';

/**
 * The ConfigMaps and Secrets that pods of this node use, each kept up to date by a watch of that one object: a node has
 * no right to see others, and a change reaches the pods without asking again.
 */
export interface PodSources {
  /** Resolves when the state of each is known (a missing one is known to be missing). Replaces earlier references of the user. */
  acquire(user: string, namespace: string, references: References): Promise<void>;
  release(user: string): void;
  configMap(namespace: string, name: string): Record<string, Uint8Array> | undefined;
  secret(namespace: string, name: string): Record<string, Uint8Array> | undefined;
}

export interface SourcesOptions {
  client: Client;
  clock: Clock;
  random: Random;
  signal: AbortSignal;
  /** A source that `user` holds has changed. */
  onChange(user: string): void;
}

/** How long the first look may take before the pod is told so. */
const SYNC_MS = 10_000;

interface Held {
  users: Set<string>;
  stop: AbortController;
  synced: Promise<void>;
  lastError?: unknown;
  data(): Record<string, Uint8Array> | undefined;
}

type Kind = 'configmap' | 'secret';

export function podSources(options: SourcesOptions): PodSources {
  return new WatchedSources(options);
}

class WatchedSources implements PodSources {
  readonly #options: SourcesOptions;
  readonly #held = new Map<string, Held>();

  constructor(options: SourcesOptions) {
    this.#options = options;
  }

  async acquire(user: string, namespace: string, references: References): Promise<void> {
    const wanted = new Map<string, { kind: Kind; name: string }>();
    for (const name of references.configMaps)
      wanted.set(`configmap/${namespace}/${name}`, { kind: 'configmap', name });
    for (const name of references.secrets)
      wanted.set(`secret/${namespace}/${name}`, { kind: 'secret', name });
    for (const [key, held] of this.#held) if (!wanted.has(key)) this.#let(user, key, held);
    await Promise.all(
      [...wanted].map(([key, { kind, name }]) => {
        let held = this.#held.get(key);
        if (!held) {
          held = this.#watch(kind, namespace, name);
          this.#held.set(key, held);
        }
        held.users.add(user);
        return this.#known(held, kind);
      }),
    );
  }

  release(user: string): void {
    for (const [key, held] of this.#held) this.#let(user, key, held);
  }

  configMap(namespace: string, name: string) {
    return this.#held.get(`configmap/${namespace}/${name}`)?.data();
  }

  secret(namespace: string, name: string) {
    return this.#held.get(`secret/${namespace}/${name}`)?.data();
  }

  #let(user: string, key: string, held: Held): void {
    if (!held.users.delete(user) || held.users.size > 0) return;
    this.#held.delete(key);
    held.stop.abort();
  }

  #watch(kind: Kind, namespace: string, name: string): Held {
    const stop = new AbortController();
    const common = {
      client: this.#options.client,
      clock: this.#options.clock,
      random: this.#options.random,
      signal: AbortSignal.any([stop.signal, this.#options.signal]),
      namespace,
      fieldSelector: `metadata.name=${name}`,
      onError: (error: unknown) => {
        held.lastError = error;
      },
    };
    const key = `${namespace}/${name}`;
    const users = new Set<string>();
    const informer: Informer<ConfigMap> | Informer<Secret> =
      kind === 'configmap'
        ? startInformer({ ...common, kind: ConfigMapKind })
        : startInformer({ ...common, kind: SecretKind });
    const data = () => {
      const object = informer.get(key);
      return (
        object && (kind === 'configmap' ? configMapData(object as ConfigMap) : secretData(object as Secret))
      );
    };
    const held: Held = { users, stop, synced: informer.synced, data };
    void informer.synced.then(() => {
      let first = true;
      informer.onChange(() => {
        if (!first) for (const user of users) this.#options.onChange(user);
      });
      first = false;
    });
    return held;
  }

  /** Waits for the first look, but not for ever: a server that refuses must not hold up the pod's end. */
  #known(held: Held, kind: Kind): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.timer(SYNC_MS, () => {
        const why =
          held.lastError === undefined ? 'timed out waiting for the condition' : messageOf(held.lastError);
        reject(new Error(`failed to sync ${kind} cache: ${why}`));
      });
      void held.synced.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}

function configMapData(object: ConfigMap): Record<string, Uint8Array> {
  const data: Record<string, Uint8Array> = {};
  for (const [key, text] of Object.entries(object.data ?? {})) data[key] = Buffer.from(text);
  for (const [key, base64] of Object.entries(object.binaryData ?? {}))
    data[key] = Buffer.from(base64, 'base64');
  return data;
}

function secretData(object: Secret): Record<string, Uint8Array> {
  const data: Record<string, Uint8Array> = {};
  for (const [key, base64] of Object.entries(object.data ?? {})) data[key] = Buffer.from(base64, 'base64');
  return data;
}
