import type { Clock } from '#machinery/clock.ts';
import type { Files } from '#machinery/io.ts';
import type { ConnectionOptions } from '#store/etcd/connection.ts';
import { askMember, endpointOf, type Member } from '#store/etcd/members.ts';
import type { Paths } from '../paths.ts';
import { etcdCredentials } from './pki.ts';
import { memberText, whyNoQuorum } from './quorum.ts';
import { readMember, readMembers } from './record.ts';

/** The way to the etcd of a data directory, by all members that were last seen; undefined: it has none of its own. */
export async function managedAccess(
  paths: Paths,
  { files, clock }: { files: Files; clock: Clock },
): Promise<ConnectionOptions | undefined> {
  const member = await readMember(files, paths);
  if (!member) return undefined;
  const endpoints = endpointsOf(await readMembers(files, paths));
  const access = {
    endpoints: endpoints.length > 0 ? endpoints : [endpointOf(member.clientUrl)],
    credentials: etcdCredentials(paths),
    clock,
  };
  // As they are then: members and certificates change.
  const now = async () =>
    explain(await readMembers(files, paths), { ...access, credentials: etcdCredentials(paths) });
  return { ...access, explain: now };
}

/** Where clients reach those that can be asked for data: learners cannot. */
export function endpointsOf(members: readonly Member[]): string[] {
  const voters = members.filter(({ isLearner }) => !isLearner);
  return [...new Set(voters.flatMap(({ clientUrls }) => clientUrls.map(endpointOf)))].sort();
}

/** Why etcd does not answer, for people; undefined when nothing is known of its members. */
export async function explain(
  members: readonly Member[],
  options: ConnectionOptions,
): Promise<string | undefined> {
  if (members.length === 0) return undefined;
  const states = await Promise.all(
    members.map(async (member) => ({
      ...member,
      answer: await askMember(options, member.clientUrls.map(endpointOf)),
    })),
  );
  const lost = whyNoQuorum(states);
  if (lost !== undefined) return lost;
  const lonely = states.filter(({ answer }) => answer && !answer.hasLeader);
  if (lonely.length === 0) return undefined;
  return `these members of etcd answer and hear no leader, so that they cannot reach each other: ${lonely.map(memberText).join(', ')}`;
}
