/** Whether a cluster can and has to be recovered on this machine, and what that costs: pure, over what was seen. */
import { type MemberState, memberText, quorumOf } from '../managed-etcd/quorum.ts';

export interface Sight {
  /** The member of this machine. */
  here: { id: string; hasData: boolean };
  /** All members as they were last seen, this one among them, with what each says now. */
  members: readonly MemberState[];
}

/** Nothing is to be done here, or something else first. */
export class NotRecoverableError extends Error {
  override readonly name = 'NotRecoverableError';
}

const othersOf = ({ here, members }: Sight) => members.filter(({ id }) => id !== here.id);

/** Throws NotRecoverableError when this machine's data must not become the whole cluster's. */
export function judgeRecovery(sight: Sight): void {
  const { here } = sight;
  refuseMajority(sight);
  const mine = sight.members.find(({ id }) => id === here.id);
  if (!mine)
    throw new NotRecoverableError(
      'the member of this machine was taken out of etcd: recover on another server, or from a snapshot (--from FILE)',
    );
  if (!here.hasData)
    throw new NotRecoverableError(
      'no data of etcd is left on this machine: recover on another server, or from a snapshot (--from FILE)',
    );
  if (mine.isLearner)
    throw new NotRecoverableError(
      'the member of this machine was still catching up and may lack data: recover on another server, or from a snapshot (--from FILE)',
    );
  const newer = newerThan(mine.answer?.revision, sight);
  if (newer) throw new NotRecoverableError(tooOld(newer));
}

/** The same for a snapshot: no member's data must be left that is better. */
export function judgeRestart(sight: Sight): void {
  refuseMajority(sight);
  const [better] = othersOf(sight).filter(({ answer }) => answer);
  if (better)
    throw new NotRecoverableError(
      `${memberText(better)} answers and has newer data than any snapshot: run "gantry recover" there`,
    );
}

function refuseMajority(sight: Sight): void {
  const led = othersOf(sight).find(({ answer }) => answer?.hasLeader);
  if (led)
    throw new NotRecoverableError(
      `nothing is to be recovered: ${memberText(led)} has a majority. If this machine cannot come back, remove it there ("gantry etcd remove") and let it join again`,
    );
  const counted = sight.members.map((one) =>
    one.id === sight.here.id && sight.here.hasData ? { ...one, answer: one.answer ?? PRESENT } : one,
  );
  const { voters, needed, present } = quorumOf(counted);
  if (present >= needed)
    throw new NotRecoverableError(
      `nothing is to be recovered: ${present} of ${voters} members of etcd are there and ${needed} are enough; start gantry on this machine`,
    );
}

/** A member that would answer when it were started. */
const PRESENT = { id: '', hasLeader: false, revision: 0 };

/** Another member that is there and has what this one has not. */
export function newerThan(revision: number | undefined, sight: Sight): MemberState | undefined {
  if (revision === undefined) return undefined;
  return othersOf(sight).find(({ answer }) => answer && answer.revision > revision);
}

export function tooOld(newer: MemberState): string {
  return `${memberText(newer)} has newer data (revision ${newer.answer?.revision}) than this machine: run "gantry recover" there`;
}

/** What is seen and what would be lost, for people. */
export function explanation(sight: Sight): string {
  const { here, members } = sight;
  const { voters, needed, present } = quorumOf(members);
  const others = othersOf(sight);
  return [
    `etcd has ${voters} voting members; ${present} ${present === 1 ? 'answers' : 'answer'}, ${needed} are needed:`,
    ...members.map((one) => `  ${memberText(one)}: ${said(one, one.id === here.id)}`),
    'To recover makes this machine the only member, with the data that it has.',
    '- What was acknowledged and has come here is kept. If this member followed another one, what was acknowledged in the last moments',
    '  (some tenths of a second) before the others went may be missing.',
    `- Taken out: ${others.map(({ name, id }) => name || id).join(', ')}. Never start one of them again with the data it has: "gantry purge --yes"`,
    '  there, then join again. One that reaches this machine ends by itself.',
    '',
  ].join('\n');
}

function said({ answer }: MemberState, isHere: boolean): string {
  const where = isHere ? 'this machine, ' : '';
  return where + (answer ? `revision ${answer.revision}` : isHere ? 'stopped' : 'does not answer');
}
