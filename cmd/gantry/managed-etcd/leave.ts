import { systemFiles } from '#machinery/files.ts';
import { memberApi } from '#store/etcd/members.ts';
import type { Paths } from '../paths.ts';
import { managedAccess } from './access.ts';
import { type MembershipDeps, removeMember } from './membership.ts';
import { readMember } from './record.ts';

/**
 * Takes the member of a node out of the etcd that the servers of a data directory run; of this machine's own when none is named. Its etcd
 * ends then, and with it all roles there. Nothing where there is no such member any more. Throws QuorumError when the others could not go
 * on without it, MembershipError, EtcdUnavailableError.
 */
export async function leaveEtcd(
  paths: Paths,
  node: string | undefined,
  deps: Pick<MembershipDeps, 'clock' | 'signal'>,
): Promise<void> {
  const files = systemFiles();
  const access = await managedAccess(paths, { files, clock: deps.clock });
  if (!access) return;
  const own = node === undefined ? (await readMember(files, paths))?.id : undefined;
  const cluster = memberApi(access);
  try {
    const leaving = (await cluster.list()).find(({ id, name }) =>
      node === undefined ? id === own : name === node,
    );
    if (leaving) await removeMember(leaving.id, { ...deps, cluster });
  } finally {
    cluster.close();
  }
}
