import { isStatus } from '#machinery/errors.ts';

/** How the cluster sees this machine. `away`: nobody answers, with the reason. */
export type Standing = { is: 'member' } | { is: 'removed' } | { is: 'away'; reason: string };

/** What leaving takes, in the order of LeaveOrder. Each step may have been done by an earlier run that was interrupted. */
export interface LeaveSteps {
  standing(): Promise<Standing>;
  /** Asked of a server: how many others are at work. */
  otherServers(): Promise<number>;
  /** Rejects when pods stay. */
  drain(): Promise<void>;
  /** Of a server whose machine keeps a member of the store: takes that out. Rejects when the others could not go on without it. */
  leaveStore(): Promise<void>;
  /** Ends the roles, for good: a server hands on what it leads, and is one no more. */
  stop(): Promise<void>;
  /** Frees the name. NotFound: it is free. */
  remove(): Promise<void>;
  /** Ends what still runs, and removes what the machine knew of the cluster, and with `purge` everything else. */
  clear(): Promise<void>;
}

export interface LeaveOrder {
  role: 'node' | 'server';
  nodeName: string;
  drain: boolean;
  /** Go on without the cluster when it cannot be reached. */
  force: boolean;
}

export interface Left {
  /** The cluster knows that it has left. */
  told: boolean;
}

/** Leaves, or goes on with it. Rejects before anything is changed when the machine cannot leave; when a step fails, run it again. */
export async function leaveInOrder(
  { role, nodeName, drain, force }: LeaveOrder,
  steps: LeaveSteps,
  tell: (text: string) => void,
): Promise<Left> {
  const standing = await steps.standing();
  if (standing.is === 'away' && !force)
    throw new Error(
      `the cluster cannot be reached (${standing.reason}): --force leaves without telling it, and "gantry node rm --force ${nodeName}" on a server does the rest`,
    );
  const isMember = standing.is === 'member';
  if (isMember && role === 'server' && (await steps.otherServers()) === 0)
    throw new Error(
      'this is the only server: the cluster would end with it, which is what "gantry purge" is for',
    );
  if (isMember && drain) {
    tell(`draining ${nodeName}`);
    await steps.drain();
  }
  if (isMember && role === 'server') await steps.leaveStore();
  tell('stopping what runs here');
  await steps.stop();
  if (isMember)
    await steps.remove().catch((error: unknown) => {
      if (!isStatus(error, 'NotFound') && !isStatus(error, 'Unauthorized')) throw error;
    });
  tell('removing what it knew of the cluster');
  await steps.clear();
  return { told: standing.is !== 'away' };
}
