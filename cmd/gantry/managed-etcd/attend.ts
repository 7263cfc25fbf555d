import type { Clock } from '#machinery/clock.ts';
import type { Files } from '#machinery/io.ts';
import type { Logger } from '#machinery/log.ts';
import { askMember, type Member, type MemberApi, memberApi } from '#store/etcd/members.ts';
import { explain, managedAccess } from './access.ts';
import { moveMember, promoteMember } from './membership.ts';
import { planServing } from './plan.ts';
import { type EtcdPlace, localEndpoint, urlsOf } from './program.ts';
import { readMember, readMembers, writeMember, writeMembers } from './record.ts';
import { RemovedMemberError } from './removed.ts';
import { within } from './within.ts';

export interface AttendDeps {
  files: Files;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/** etcd reads all that it has written since its last snapshot. */
const START_MS = 60_000;
/** A learner is sent the whole database first. */
const CATCH_UP_MS = 10 * 60_000;

/**
 * Waits for the member that runs on this machine, and sees that it has its vote and is known at its address; writes down who the members
 * are. Harmless when all is well. Throws RemovedMemberError, MembershipError, EtcdUnavailableError.
 */
export async function attendMember(place: EtcdPlace, deps: AttendDeps): Promise<Member[]> {
  const { files, clock, signal } = deps;
  const access = (await managedAccess(place.paths, deps))!;
  const local = localEndpoint(place);
  const id = await within(
    { clock, signal, waitMs: START_MS },
    async () => (await askMember(access, [local]))?.id,
    () =>
      new Error(`etcd on this machine does not answer at ${local}: its own words are in the log before this`),
  );
  const known = await readMembers(files, place.paths);
  // A learner answers no questions about the members.
  const endpoints = [...new Set([...access.endpoints, local])];
  const cluster = memberApi({ ...access, endpoints, explain: () => explain(known, access) });
  try {
    const members = await settle(id, urlsOf(place).peerUrl, cluster, deps);
    await writeMembers(files, place.paths, members);
    const record = (await readMember(files, place.paths))!;
    await writeMember(files, place.paths, { ...record, ...urlsOf(place), id });
    return members;
  } finally {
    cluster.close();
  }
}

async function settle(
  id: string,
  peerUrl: string,
  cluster: MemberApi,
  { clock, log, signal }: AttendDeps,
): Promise<Member[]> {
  for (;;) {
    const members = await cluster.list();
    const next = planServing({ id, peerUrl }, members);
    switch (next.step) {
      case 'ready':
        return members;
      case 'removed':
        throw new RemovedMemberError(
          'the member of this machine was taken out of etcd: purge this machine, then it can join again',
        );
      case 'promote':
        log.info('etcd catches up with the other members', { member: id });
        await promoteMember(id, { cluster, clock, signal, waitMs: CATCH_UP_MS });
        log.info('etcd of this machine has its vote', { member: id });
        break;
      case 'move':
        log.info('This machine has another address: the other members are told', { peer: peerUrl });
        await moveMember(id, peerUrl, { cluster, clock, signal });
        break;
    }
  }
}
