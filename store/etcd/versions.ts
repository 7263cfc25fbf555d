/** Published faults of etcd releases that reach users of a store. Sources: etcd's changelogs and issue tracker. */
interface KnownFault {
  issue: number;
  what: string;
  /** The first release of each line without it; lines not named never had it. */
  fixed: Readonly<Record<string, number>>;
}

const KNOWN_FAULTS: readonly KnownFault[] = [
  { issue: 13766, what: 'a crash may leave members with different data', fixed: { '3.5': 3 } },
  {
    issue: 14370,
    what: 'a single member may acknowledge a write that a crash then loses',
    fixed: { '3.4': 21, '3.5': 5 },
  },
  {
    issue: 14685,
    what: 'a crash while defragmenting may leave members with different data',
    fixed: { '3.5': 6 },
  },
  {
    issue: 15271,
    what: 'a watch may go back in time when a member catches up',
    fixed: { '3.4': 25, '3.5': 8 },
  },
  {
    issue: 17529,
    what: 'a slow watch may miss events when they are compacted',
    fixed: { '3.4': 31, '3.5': 13 },
  },
  {
    issue: 17780,
    what: 'a crash while compacting may let revisions go back',
    fixed: { '3.4': 32, '3.5': 14 },
  },
  {
    issue: 18089,
    what: 'a watch may miss the deletion at a compacted revision',
    fixed: { '3.4': 34, '3.5': 16 },
  },
  {
    issue: 19179,
    what: 'a watch from a revision that is being compacted may miss its deletion',
    fixed: { '3.4': 36, '3.5': 18 },
  },
  {
    issue: 20418,
    what: 'a leader that was paused may answer reads as of its past',
    fixed: { '3.4': 42, '3.5': 28, '3.6': 9 },
  },
];

/** What is known to be wrong with a server's version, as sentences for a warning. */
export function faultsOf(version: string): string[] {
  const [, line, patch] = /^(\d+\.\d+)\.(\d+)/.exec(version) ?? [];
  if (line === undefined) return [];
  return KNOWN_FAULTS.filter(({ fixed }) => Number(patch) < (fixed[line] ?? 0)).map(
    ({ issue, what }) => `${what} (etcd issue ${issue})`,
  );
}
