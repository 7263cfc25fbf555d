import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Clock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import type { Logger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';
import type { Store } from '#store/contract.ts';
import type { EtcdOptions } from '#store/etcd/index.ts';
import { storeWorker } from '../assets.ts';
import type { EtcdFlags, StoreFlags } from '../options.ts';
import type { Paths } from '../paths.ts';
import { oldStorePath } from './old-store.ts';
import { PromotedStoreError } from './store-record.ts';

/** Names the keys in a store that holds several clusters. */
export const CLUSTER = 'default';

/** Opens the store that the flags name. `cluster` is part of its keys. */
export async function openStore(
  settings: StoreFlags & { paths: Paths },
  cluster: string,
  deps: { clock: Clock; random: Random; log: Logger },
): Promise<Store> {
  const { store } = settings;
  if (store.kind === 'sqlite') {
    // The record that names the other store must have been lost.
    if (existsSync(oldStorePath(settings.paths)))
      throw new PromotedStoreError(
        `this cluster was moved to etcd, and ${oldStorePath(settings.paths)} is of before: say with --store where the etcd is`,
      );
    const { openSqliteStore } = await import('#store/sqlite/index.ts');
    return openSqliteStore({
      directory: settings.paths.store,
      clock: deps.clock,
      worker: storeWorker,
      acceptLoss: settings.acceptLostWrites ?? false,
    });
  }
  const root = `/gantry/${cluster}/`;
  if (store.kind === 'managed-etcd') {
    const { openManagedStore } = await import('../managed-etcd/store.ts');
    return openManagedStore(settings.paths, { root, random: deps.random }, { ...deps, files: systemFiles() });
  }
  // etcd3 and gRPC take 200 ms and 20 MB: only who asks for them pays.
  const { openEtcdStore } = await import('#store/etcd/index.ts');
  return openEtcdStore({ ...deps, ...etcdAccess(settings, store.endpoints), root });
}

/** What the flags say of the way to etcd; throws when they do not fit together. */
export function etcdAccess(
  flags: EtcdFlags,
  endpoints: readonly string[],
): Pick<EtcdOptions, 'endpoints' | 'credentials' | 'auth'> {
  const credentials = etcdCredentials(flags, endpoints);
  const { etcdUsername: username, etcdPasswordFile: file } = flags;
  if ((username === undefined) !== (file === undefined))
    throw new Error('--etcd-username and --etcd-password-file go together');
  const auth =
    username !== undefined && file !== undefined
      ? { username, password: readFileSync(file, 'utf8').replace(/\r?\n$/, '') }
      : undefined;
  return { endpoints, ...(credentials && { credentials }), ...(auth && { auth }) };
}

function etcdCredentials(flags: EtcdFlags, endpoints: readonly string[]) {
  const { etcdCa, etcdCert, etcdKey, etcdServerName: serverName } = flags;
  if (etcdCa === undefined) {
    if (etcdCert ?? etcdKey ?? serverName)
      throw new Error('--etcd-cert, --etcd-key and --etcd-server-name need --etcd-ca');
    return undefined;
  }
  if ((etcdCert === undefined) !== (etcdKey === undefined))
    throw new Error('--etcd-cert and --etcd-key go together');
  const hostOf = (endpoint: string) => endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/[[\]]/g, '');
  const address = endpoints.find((endpoint) => isIP(hostOf(endpoint)) !== 0);
  if (address !== undefined && serverName === undefined)
    throw new Error(
      `etcd's certificate cannot be checked against the address ${address}: give the name in it with --etcd-server-name`,
    );
  const read = (file: string | undefined) => (file === undefined ? undefined : readFileSync(file));
  return { ca: readFileSync(etcdCa), certificate: read(etcdCert), key: read(etcdKey), serverName };
}
