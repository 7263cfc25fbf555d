import { parseListen } from '../addresses.ts';

/** Where the desired state is kept, as `--store` names it. */
export type StoreChoice =
  /** `said`: asked for by name, and not for want of another. */
  | { kind: 'sqlite'; said?: true }
  | { kind: 'etcd'; endpoints: readonly string[] }
  /** An etcd that the servers of the cluster run themselves. */
  | { kind: 'managed-etcd' };

const ETCD = 'etcd://';

/** Reads `sqlite`, `etcd` or `etcd://host:port[,host:port...]`; undefined when it is none of them. */
export function parseStore(text: string): StoreChoice | undefined {
  if (text === 'sqlite') return { kind: 'sqlite', said: true };
  if (text === 'etcd') return { kind: 'managed-etcd' };
  if (!text.startsWith(ETCD)) return undefined;
  const endpoints = text.slice(ETCD.length).split(',');
  return endpoints.every(isEndpoint) ? { kind: 'etcd', endpoints } : undefined;
}

/** The same as text. */
export function storeText(choice: StoreChoice): string {
  if (choice.kind === 'managed-etcd') return 'etcd';
  return choice.kind === 'sqlite' ? 'sqlite' : ETCD + choice.endpoints.join(',');
}

function isEndpoint(text: string): boolean {
  return !text.startsWith(':') && parseListen(text) !== undefined;
}
