import type { MemberFault, MemberStatus } from '#store/etcd/maintenance.ts';
import { formatBytes } from '../table.ts';

/** etcd takes so much unless it is told otherwise, and does not say what it was told (--quota-backend-bytes). */
const DEFAULT_QUOTA_BYTES = 2 * 1024 ** 3;

/** What a value takes in its database, and the history of some hours beside it. */
const GROWTH = 2;

const LEAST_MINOR = 4;

/** The members of an etcd that a cluster can be moved to. Throws with what is wrong with the first that is unfit. */
export function judgeTarget(members: readonly (MemberStatus | MemberFault)[]): MemberStatus[] {
  return members.map((member) => {
    if ('fault' in member) throw new Error(`${member.endpoint} does not answer: ${member.fault}`);
    const { endpoint, version, alarms } = member;
    const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
    if (Number(major) !== 3 || Number(minor) < LEAST_MINOR)
      throw new Error(`${endpoint} is etcd ${version}: 3.${LEAST_MINOR} or later is needed`);
    if (alarms.length > 0)
      throw new Error(`${endpoint} has the alarm ${alarms.join(', ')}: see "gantry etcd status"`);
    return member;
  });
}

/** When that many bytes may not fit. */
export function quotaWarning(members: readonly MemberStatus[], bytes: number): string | undefined {
  const largest = Math.max(...members.map(({ sizeBytes }) => sizeBytes));
  const needed = largest + GROWTH * bytes;
  if (needed < DEFAULT_QUOTA_BYTES) return undefined;
  return `etcd will need some ${formatBytes(needed)}: see that its --quota-backend-bytes is more (2 GiB by default)`;
}
