import { every } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Connection, ConnectionOptions } from '#store/etcd/connection.ts';
import { type Member, memberApi } from '#store/etcd/members.ts';
import type { Paths } from '../paths.ts';
import { endpointsOf } from './access.ts';
import type { AttendDeps } from './attend.ts';
import { removeMember } from './membership.ts';
import { etcdCredentials } from './pki.ts';
import { readMembers, writeMembers } from './record.ts';

/** How soon a server knows of a member that has come or gone. */
const LOOK_EVERY_MS = 5_000;

/** etcd takes one learner at a time: one that is not heard of for so long must not keep others out. It may come again. */
const LEARNER_PATIENCE_MS = 5 * 60_000;

/** Keeps a store's endpoints, and the list on disk, at what the members are, and its certificate the newest, until the connection is closed. */
export function followMembers(
  paths: Paths,
  connection: Connection,
  options: ConnectionOptions,
  { files, clock, log }: Pick<AttendDeps, 'files' | 'clock' | 'log'>,
): void {
  const signal = connection.closing;
  const cluster = memberApi(options, connection);
  const silent = new Map<string, number>();
  every(clock, LOOK_EVERY_MS, signal, async () => {
    try {
      const members = await cluster.list();
      connection.use(endpointsOf(members), etcdCredentials(paths));
      if (JSON.stringify(members) !== JSON.stringify(await readMembers(files, paths))) {
        log.info('The members of etcd are others now', {
          members: members.map(({ name }) => name).join(' '),
        });
        await writeMembers(files, paths, members);
      }
      const gone = await lateLearner(members, silent, clock.monotonic(), async (member) =>
        Boolean(await cluster.ask(member)),
      );
      if (gone) {
        await removeMember(gone.id, { cluster, clock, signal });
        log.warn('A member that was joining and is not heard of was taken out', { member: gone.id });
      }
    } catch (error) {
      // The store itself says so to whoever needs it.
      if (!signal.aborted) log.debug('The members of etcd cannot be listed', { error: messageOf(error) });
    }
  });
}

/** The learner that has not answered for too long; `silent` remembers since when each has not. */
export async function lateLearner(
  members: readonly Member[],
  silent: Map<string, number>,
  now: number,
  answers: (member: Member) => Promise<boolean>,
): Promise<Member | undefined> {
  const learners = members.filter(({ isLearner }) => isLearner);
  for (const id of silent.keys()) if (!learners.some((learner) => learner.id === id)) silent.delete(id);
  for (const learner of learners) {
    if (await answers(learner)) silent.delete(learner.id);
    else if (!silent.has(learner.id)) silent.set(learner.id, now);
  }
  return learners.find(({ id }) => now - (silent.get(id) ?? now) >= LEARNER_PATIENCE_MS);
}
