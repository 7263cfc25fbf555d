import type { Member, MemberAnswer } from '#store/etcd/members.ts';

/** A member, and whether it answers. */
export interface MemberState extends Member {
  /** Undefined: it is away. */
  answer: MemberAnswer | undefined;
}

/** Who of a cluster may vote, how many of them must be there, and who is away. Learners do not count. */
export interface Quorum {
  voters: number;
  needed: number;
  present: number;
  away: readonly MemberState[];
}

export function quorumOf(members: readonly MemberState[]): Quorum {
  const voters = members.filter(({ isLearner }) => !isLearner);
  const away = voters.filter(({ answer }) => answer === undefined);
  return {
    voters: voters.length,
    needed: majority(voters.length),
    present: voters.length - away.length,
    away,
  };
}

function majority(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** A member for people: its name, and where it is reached. */
export function memberText({ name, peerUrls, clientUrls }: Member): string {
  const [url = 'no address'] = clientUrls.length > 0 ? clientUrls : peerUrls;
  return `${name || 'one that never ran'} at ${url.replace(/^https?:\/\//, '')}`;
}

/** Why nothing can be written; undefined when a majority answers. */
export function whyNoQuorum(members: readonly MemberState[]): string | undefined {
  const { voters, needed, present, away } = quorumOf(members);
  if (present >= needed) return undefined;
  const who = away.map(memberText).sort().join(', ');
  return (
    `${present} of ${voters} members of etcd ${present === 1 ? 'answers' : 'answer'} and ${needed} are needed; away: ${who}. ` +
    'Start their machines again; if those are gone for good, "gantry recover" goes on with the data of this one'
  );
}

/** Why a member must not be taken out: undefined when the others can go on without it. */
export function whyNotRemove(members: readonly MemberState[], leaving: Member): string | undefined {
  const lost = whyNoQuorum(members);
  if (lost !== undefined) return lost;
  if (leaving.isLearner) return undefined;
  const rest = members.filter(({ id }) => id !== leaving.id);
  const { voters, needed, present, away } = quorumOf(rest);
  if (voters === 0) return `${memberText(leaving)} is the only voting member of etcd: it holds the state`;
  if (present >= needed) return undefined;
  return (
    `without ${memberText(leaving)}, ${present} of ${voters} members of etcd would answer where ${needed} are needed: ` +
    `first bring back, or remove, ${away.map(memberText).join(', ')}`
  );
}

/**
 * Why a member must not be stopped for a while: the others would be no majority then. undefined also where they cannot be, with one
 * member or two: writes wait meanwhile.
 */
export function whyNotStop(members: readonly MemberState[], name: string): string | undefined {
  const { voters, needed, present, away } = quorumOf(members);
  const own = members.find((member) => member.name === name);
  if (voters < 3 || !own || own.isLearner) return undefined;
  const others = present - (own.answer === undefined ? 0 : 1);
  if (others >= needed) return undefined;
  const missing = away.filter(({ id }) => id !== own.id).map(memberText);
  return `while ${name} is stopped, ${others} of ${voters} members of etcd would answer where ${needed} are needed: first bring back ${missing.join(', ')}`;
}
