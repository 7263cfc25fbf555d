import { sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { type MemberApi, memberApi } from '#store/etcd/members.ts';
import { endpointsOf, explain } from './access.ts';
import { type AttendDeps, attendMember } from './attend.ts';
import { addMember, listMembers, removeMember } from './membership.ts';
import { etcdCredentials, prepareMemberPki } from './pki.ts';
import { planEntry } from './plan.ts';
import { urlsOf } from './program.ts';
import {
  etcdDataPath,
  hasEtcdData,
  type MemberRecord,
  readMember,
  readMembers,
  writeMember,
} from './record.ts';
import { claim, type ManagedEtcd } from './role.ts';

/** A machine on its way into a cluster, whose etcd is to be started next. */
export interface Entry {
  member: MemberRecord;
  /** Once etcd runs: waits until it has caught up and has its vote. Takes the member out again when that fails. */
  complete(signal: AbortSignal): Promise<void>;
}

/** Another machine that joins needs seconds, and a dead one is taken out after minutes. */
const WAIT_MS = 120_000;
const PAUSE_MS = 1_000;
/** People wait for the end of what has failed. */
const UNDO_MS = 10_000;

/** The machine cannot become a member: somebody has to do something first. */
export class EntryRefusedError extends Error {
  override readonly name = 'EntryRefusedError';
}

/**
 * Makes this machine a member, without a vote yet, of the cluster whose members lie in its data directory; goes on from where an
 * earlier try was interrupted. Throws EntryRefusedError, QuorumError, MembershipError, EtcdUnavailableError.
 */
export async function enterCluster(settings: ManagedEtcd, deps: AttendDeps): Promise<Entry> {
  const { files, clock } = deps;
  const { paths } = settings;
  // Before anybody is told: a machine that cannot run it must not keep others out.
  await claim(settings);
  await prepareMemberPki(settings, clock);
  const known = await readMembers(files, paths);
  const access = { endpoints: endpointsOf(known), credentials: etcdCredentials(paths), clock };
  const open = () => memberApi({ ...access, explain: () => explain(known, access) });
  const cluster = open();
  try {
    const member = await becomeMember(settings, cluster, deps);
    return {
      member,
      complete: async (signal) => {
        await attendMember(settings, { ...deps, signal }).catch(async (error) => {
          const again = open();
          await undo(member, again, deps).finally(() => again.close());
          throw error;
        });
      },
    };
  } finally {
    cluster.close();
  }
}

/** Sees to it that the cluster has a member that is this machine, for etcd to be started as. */
export async function becomeMember(
  settings: ManagedEtcd,
  cluster: MemberApi,
  deps: AttendDeps,
): Promise<MemberRecord> {
  const { files, clock, log, signal } = deps;
  const { paths, nodeName: name, etcdQuota: quotaBytes } = settings;
  const { peerUrl, clientUrl } = urlsOf(settings);
  const end = clock.monotonic() + WAIT_MS;
  const changes = { cluster, clock, signal };
  for (;;) {
    const record = await readMember(files, paths);
    const members = await listMembers({ cluster });
    const hasData = await hasEtcdData(files, paths);
    const next = planEntry({ name, peerUrl, hasData, ...(record?.id && { id: record.id }) }, members);
    switch (next.step) {
      case 'refuse':
        throw new EntryRefusedError(next.why);
      case 'wait':
        if (clock.monotonic() > end) throw new EntryRefusedError(`${next.why}; try again later`);
        await sleep(clock, PAUSE_MS, signal);
        break;
      case 'discard':
        log.warn('What etcd left here is of a member that is no more, and is removed', {
          path: etcdDataPath(paths),
        });
        await files.remove(etcdDataPath(paths));
        await writeMember(files, paths, {
          name,
          peerUrl,
          clientUrl,
          initialCluster: '',
          existing: true,
          quotaBytes,
        });
        break;
      case 'remove':
        log.warn('The member that this machine was has lost its data, and is replaced', {
          member: next.member.id,
        });
        await removeMember(next.member.id, changes);
        break;
      case 'add':
        await addMember(peerUrl, changes);
        break;
      case 'start': {
        const { id } = next.member;
        const others = members.filter((one) => one.id !== id && one.name !== '');
        const pairs = others.flatMap((one) => one.peerUrls.map((url) => `${one.name}=${url}`));
        const initialCluster = [...pairs, `${name}=${peerUrl}`].join();
        const started = { name, id, peerUrl, clientUrl, initialCluster, existing: true, quotaBytes };
        await writeMember(files, paths, started);
        return started;
      }
    }
  }
}

/** As far as the others can be reached; what stays behind is taken over by the next try, or taken out by a server. */
async function undo({ id }: MemberRecord, cluster: MemberApi, { clock, log }: AttendDeps): Promise<void> {
  try {
    const signal = AbortSignal.timeout(UNDO_MS);
    await removeMember(id!, { cluster, clock, signal, waitMs: UNDO_MS });
    log.info('The member was taken out of etcd again', { member: id });
  } catch (error) {
    log.warn('The member could not be taken out of etcd again', { member: id, error: messageOf(error) });
  }
}
