import { ConfigMapKind } from '#api/kinds/config-map.ts';
import type { ConfigMap } from '#api/objects.ts';
import type { Client } from '#client/contract.ts';
import { startInformer } from '#client/informer.ts';
import type { Clock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Logger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';

export interface WatchOptions {
  client: Client;
  clock: Clock;
  random: Random;
  log: Logger;
  signal: AbortSignal;
}

/** One ConfigMap, kept up to date. */
export interface WatchedMap {
  /** Undefined: it is not there, or not known yet. The same object until it changes. */
  data(): Record<string, string> | undefined;
  /** Resolves once it is known whether it is there. */
  readonly synced: Promise<void>;
  onChange(listener: () => void): void;
}

export function watchConfigMap(
  { log, ...options }: WatchOptions,
  { name, namespace }: { name: string; namespace: string },
): WatchedMap {
  const informer = startInformer<ConfigMap>({
    ...options,
    ...{ kind: ConfigMapKind, namespace, fieldSelector: `metadata.name=${name}` },
    onError: (error) => log.debug('The watch of a ConfigMap broke', { name, error: messageOf(error) }),
  });
  return {
    data: () => informer.get(`${namespace}/${name}`)?.data,
    synced: informer.synced,
    onChange: (listener) => void informer.onChange(listener),
  };
}
