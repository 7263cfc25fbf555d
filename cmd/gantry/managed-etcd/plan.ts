import { type MemberState, memberText } from './quorum.ts';

/** What a machine knows of the member that it is, or is to become. */
export interface LocalMember {
  name: string;
  /** Where the others are to reach it. */
  peerUrl: string;
  /** Known once it was added. */
  id?: string;
  /** etcd has run here. */
  hasData: boolean;
}

/** What is to be done next, before etcd is started on a machine that joins. Where not said otherwise, the members are looked at again after it. */
export type EntryStep =
  /** What lies here is of a member that is no more. */
  | { step: 'discard' }
  /** A member whose data is gone, and is not coming back. */
  | { step: 'remove'; member: MemberState }
  | { step: 'add' }
  /** As this member: there is nothing left to do before. */
  | { step: 'start'; member: MemberState }
  | { step: 'wait'; why: string }
  /** Somebody has to do something first. */
  | { step: 'refuse'; why: string };

/**
 * The next step on the way into a cluster. It begins anew from wherever an earlier try was interrupted: a member that was added and never
 * ran is taken over, one of this name that lost its data is replaced.
 */
export function planEntry(local: LocalMember, members: readonly MemberState[]): EntryStep {
  const mine = members.find(({ id }) => id === local.id);
  if (mine) {
    // A vote counts for what its holder has written: without that it has to come as another one, as has one that never ran elsewhere.
    const lost = !local.hasData && (mine.name !== '' || !mine.peerUrls.includes(local.peerUrl));
    return lost ? { step: 'remove', member: mine } : { step: 'start', member: mine };
  }
  if (local.hasData || local.id !== undefined) return { step: 'discard' };
  const holder = members.find(({ peerUrls }) => peerUrls.includes(local.peerUrl));
  if (holder?.name === '') return { step: 'start', member: holder };
  if (holder && holder.name !== local.name)
    return {
      step: 'refuse',
      why: `${local.peerUrl} is where ${memberText(holder)} is expected: if that machine is gone, remove it first ("gantry etcd remove ${holder.name}")`,
    };
  const namesake = members.find(({ name }) => name === local.name);
  if (namesake?.answer)
    return { step: 'refuse', why: `${memberText(namesake)} runs: give this machine another --node-name` };
  if (namesake) return { step: 'remove', member: namesake };
  const learner = members.find(({ isLearner }) => isLearner);
  if (learner)
    return { step: 'wait', why: `${memberText(learner)} is joining, and etcd takes one at a time` };
  const away = members.filter(({ isLearner, answer }) => !isLearner && !answer).map(memberText);
  if (away.length > 0)
    return {
      step: 'wait',
      why: `etcd takes a new member only while all others are there: start ${away.join(', ')}, or remove it ("gantry etcd remove")`,
    };
  return { step: 'add' };
}

/** What a member that runs still lacks. */
export type ServingStep =
  | { step: 'ready' }
  /** It follows and has no vote yet. */
  | { step: 'promote' }
  /** The machine has another address than when it was added. */
  | { step: 'move'; peerUrl: string }
  /** It was taken out of the cluster. */
  | { step: 'removed' };

export function planServing(
  { id, peerUrl }: { id: string; peerUrl: string },
  members: readonly Pick<MemberState, 'id' | 'peerUrls' | 'isLearner'>[],
): ServingStep {
  const mine = members.find((member) => member.id === id);
  if (!mine) return { step: 'removed' };
  if (mine.peerUrls.join() !== peerUrl) return { step: 'move', peerUrl };
  return mine.isLearner ? { step: 'promote' } : { step: 'ready' };
}
