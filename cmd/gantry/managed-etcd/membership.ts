import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import type { Member, MemberApi } from '#store/etcd/members.ts';
import { type MemberState, whyNotRemove } from './quorum.ts';

/**
 * Changing who is in an etcd cluster. Each change is made once and then looked for in a new list of members: an answer that is lost
 * neither repeats it nor hides it. etcd refuses some of them for a while (a member joined seconds ago, an election), so all are
 * tried again until `waitMs` is over.
 */

/** The removal would leave too few members to go on. */
export class QuorumError extends Error {
  override readonly name = 'QuorumError';
}

/** There is no such member. */
export class NoSuchMemberError extends Error {
  override readonly name = 'NoSuchMemberError';
}

/** etcd did not carry out a change within the time it was given. */
export class MembershipError extends Error {
  override readonly name = 'MembershipError';
}

export interface MembershipDeps {
  cluster: MemberApi;
  clock: Clock;
  signal: AbortSignal;
  /** How long a change is tried; 60 s when left out: etcd takes a new member five seconds after the last one at the soonest. */
  waitMs?: number;
}

const WAIT_MS = 60_000;
const PAUSE_MS = 250;

/** All members, each asked whether it is there. */
export async function listMembers({ cluster }: Pick<MembershipDeps, 'cluster'>): Promise<MemberState[]> {
  const members = await cluster.list();
  return await Promise.all(members.map(async (member) => ({ ...member, answer: await cluster.ask(member) })));
}

/** Adds the member at `peerUrl` as a learner; one that is there already is given back. Throws MembershipError. */
export async function addMember(peerUrl: string, deps: MembershipDeps): Promise<Member> {
  return await change(deps, `etcd takes no new member at ${peerUrl}`, {
    make: () => deps.cluster.addLearner(peerUrl),
    made: (members) => members.find(({ peerUrls }) => peerUrls.includes(peerUrl)),
  });
}

/** Gives a learner its vote, once it has caught up. Throws MembershipError; NoSuchMemberError when it was removed meanwhile. */
export async function promoteMember(id: string, deps: MembershipDeps): Promise<Member> {
  return await change(deps, `the member ${id} of etcd gets no vote`, {
    make: () => deps.cluster.promote(id),
    made: (members) => {
      const member = members.find((one) => one.id === id);
      if (!member) throw new NoSuchMemberError(`etcd has no member ${id} any more`);
      return member.isLearner ? undefined : member;
    },
  });
}

/** Tells the others that a member is reached elsewhere now. Throws MembershipError, NoSuchMemberError. */
export async function moveMember(id: string, peerUrl: string, deps: MembershipDeps): Promise<Member> {
  return await change(deps, `the member ${id} of etcd cannot be moved to ${peerUrl}`, {
    make: () => deps.cluster.update(id, peerUrl),
    made: (members) => {
      const member = members.find((one) => one.id === id);
      if (!member) throw new NoSuchMemberError(`etcd has no member ${id} any more`);
      return member.peerUrls.join() === peerUrl ? member : undefined;
    },
  });
}

/**
 * Takes a member out, found by its name or id, which need not run any more. Throws QuorumError when the others could not go on
 * without it, NoSuchMemberError, MembershipError.
 */
export async function removeMember(who: string, deps: MembershipDeps): Promise<Member> {
  const members = await listMembers(deps);
  const leaving = memberOf(members, who);
  const why = whyNotRemove(members, leaving);
  if (why !== undefined) throw new QuorumError(why);
  await change(deps, `etcd does not let ${who} go`, {
    make: () => deps.cluster.remove(leaving.id),
    made: (left) => (left.some(({ id }) => id === leaving.id) ? undefined : true),
  });
  return leaving;
}

function memberOf(members: readonly MemberState[], who: string): MemberState {
  const found = members.filter(({ id, name }) => id === who || name === who);
  if (found.length === 1) return found[0]!;
  const known = members.map(({ id, name }) => `${name || '(never ran)'} ${id}`).join(', ');
  throw new NoSuchMemberError(
    found.length === 0
      ? `etcd has no member ${who}, but ${known}`
      : `${found.length} members of etcd are called ${who}: name one by its id (${known})`,
  );
}

/** Makes a change until a list of members shows it. */
async function change<T>(
  { cluster, clock, signal, waitMs = WAIT_MS }: MembershipDeps,
  failure: string,
  { make, made }: { make: () => Promise<unknown>; made: (members: readonly Member[]) => T | undefined },
): Promise<T> {
  const end = clock.monotonic() + waitMs;
  for (let refused: unknown; ; ) {
    const done = made(await cluster.list());
    if (done !== undefined) return done;
    if (clock.monotonic() > end)
      throw new MembershipError(`${failure}: ${messageOf(refused)}`, { cause: refused });
    // A member that answers the next list may lag behind a change that was made.
    if (refused !== undefined) await sleep(clock, PAUSE_MS, signal);
    refused = await make().then(
      () => new Error('the members do not show it yet'),
      (error: unknown) => error,
    );
  }
}
