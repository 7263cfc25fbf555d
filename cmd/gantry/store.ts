import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Clock } from '#machinery/clock.ts';
import type { Logger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';
import type { Store } from '#store/contract.ts';
import { storeWorker } from './assets.ts';
import type { Settings } from './options.ts';

/** Opens the store that the flags name. `cluster` is part of its keys. */
export async function openStore(
  settings: Settings,
  cluster: string,
  deps: { clock: Clock; random: Random; log: Logger },
): Promise<Store> {
  const { store } = settings;
  if (store.kind === 'sqlite') {
    const { openSqliteStore } = await import('#store/sqlite/index.ts');
    return openSqliteStore({
      directory: settings.paths.store,
      clock: deps.clock,
      worker: storeWorker,
      acceptLoss: settings.acceptLostWrites ?? false,
    });
  }
  const credentials = etcdCredentials(settings, store.endpoints);
  // etcd3 and gRPC take 200 ms and 20 MB: only who asks for them pays.
  const { openEtcdStore } = await import('#store/etcd/index.ts');
  return openEtcdStore({ ...deps, endpoints: store.endpoints, root: `/gantry/${cluster}/`, credentials });
}

function etcdCredentials(settings: Settings, endpoints: readonly string[]) {
  const { etcdCa, etcdCert, etcdKey, etcdServerName: serverName } = settings;
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
