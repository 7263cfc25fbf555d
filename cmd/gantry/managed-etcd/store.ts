import type { Store } from '#store/contract.ts';
import type { EtcdOptions } from '#store/etcd/index.ts';
import type { Paths } from '../paths.ts';
import { managedAccess } from './access.ts';
import type { AttendDeps } from './attend.ts';
import { followMembers } from './follow.ts';

/** Opens the store in the etcd that runs on the servers themselves, and keeps to its members as they come and go. */
export async function openManagedStore(
  paths: Paths,
  options: Pick<EtcdOptions, 'root' | 'random'>,
  deps: Omit<AttendDeps, 'signal'>,
): Promise<Store> {
  const access = await managedAccess(paths, deps);
  if (!access) throw new Error(`no etcd of ${paths.root} is known: start it with "gantry up --etcd managed"`);
  const { openEtcdStore } = await import('#store/etcd/index.ts');
  return await openEtcdStore({
    ...deps,
    ...access,
    ...options,
    follow: (connection) => followMembers(paths, connection, access, deps),
  });
}
