import type { Files } from '#machinery/io.ts';
import type { Logger } from '#machinery/log.ts';
import type { Random } from '#machinery/random.ts';
import type { Store } from '#store/contract.ts';
import { openEtcdStore } from '#store/etcd/index.ts';
import { OtherStoreError } from './choice.ts';
import { etcdCredentials } from './pki.ts';
import { localEndpoint, urlsOf } from './program.ts';
import { etcdDataPath, readMember } from './record.ts';
import type { ManagedEtcd } from './role.ts';
import { type RunDeps, withMember } from './run.ts';

/**
 * Runs a new etcd of one member on this machine for as long as `work` fills its store. Nothing says yet that the cluster's state is
 * there: until `memberHere` has taken the member for its own, its data is worth nothing, and goes when `work` fails or another try begins.
 * Throws OtherStoreError, EtcdProgramError.
 */
export async function withFirstMember<T>(
  settings: ManagedEtcd,
  root: string,
  deps: RunDeps & { files: Files; log: Logger; random: Random },
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const { paths, nodeName: name, etcdQuota: quotaBytes } = settings;
  const { files, clock, log, random } = deps;
  if (await readMember(files, paths)) throw new OtherStoreError(`${paths.root} has an etcd of its own`);
  await files.remove(etcdDataPath(paths));
  const { clientUrl, peerUrl } = urlsOf(settings);
  const member = {
    name,
    clientUrl,
    peerUrl,
    initialCluster: `${name}=${peerUrl}`,
    existing: false,
    quotaBytes,
  };
  try {
    return await withMember(paths, member, deps, async (place) => {
      const access = { endpoints: [localEndpoint(place)], credentials: etcdCredentials(paths) };
      const store = await openEtcdStore({ ...access, root, clock, log, random });
      return await work(store).finally(() => store.close());
    });
  } catch (error) {
    await files.remove(etcdDataPath(paths));
    throw error;
  }
}
