import { parseListen } from './addresses.ts';

/** Where the desired state is kept, as `--store` names it. */
export type StoreChoice =
  /** `said`: asked for by name, and not for want of another. */
  { kind: 'sqlite'; said?: true } | { kind: 'etcd'; endpoints: readonly string[] };

const ETCD = 'etcd://';

/** Reads `sqlite` or `etcd://host:port[,host:port...]`; undefined when it is neither. */
export function parseStore(text: string): StoreChoice | undefined {
  if (text === 'sqlite') return { kind: 'sqlite', said: true };
  if (!text.startsWith(ETCD)) return undefined;
  const endpoints = text.slice(ETCD.length).split(',');
  return endpoints.every(isEndpoint) ? { kind: 'etcd', endpoints } : undefined;
}

/** The same as text. */
export function storeText(choice: StoreChoice): string {
  return choice.kind === 'sqlite' ? 'sqlite' : ETCD + choice.endpoints.join(',');
}

function isEndpoint(text: string): boolean {
  return !text.startsWith(':') && parseListen(text) !== undefined;
}
