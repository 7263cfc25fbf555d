import { runElection } from '#client/leases.ts';
import { systemRandom } from '#machinery/random.ts';
import type { Scene } from './surroundings.ts';

/** Held by the server that is upgraded, so that never two of them are away because somebody started both commands at once. */
const LEASE = { namespace: 'kube-system', name: 'gantry-upgrade' };
/** One that was killed on the way holds the others up for so long; all servers may be away for nearly as long meanwhile. */
const LEASE_MS = 60_000;
const RENEW_DEADLINE_MS = 50_000;
const SAY_AFTER_MS = 1_500;

/** Does `work` while no other server is upgraded, however long that takes; nodes need not wait for each other. Rejects when the cluster cannot be asked. */
export async function inTurn<T>(
  { client, clock, machine }: Pick<Scene, 'client' | 'clock' | 'machine'>,
  tell: (text: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  if (machine.role === 'node') return await work();
  const over = new AbortController();
  const waiting = clock.timer(SAY_AFTER_MS, () => tell('another server is being upgraded: this one is next'));
  let done: Promise<T> | undefined;
  let failure: unknown;
  await runElection(
    {
      ...{ client, clock, random: systemRandom, ...LEASE, identity: `${machine.nodeName}_${process.pid}` },
      ...{ leaseMs: LEASE_MS, renewDeadlineMs: RENEW_DEADLINE_MS },
      onError(error) {
        if (done) return;
        failure = error;
        over.abort();
      },
    },
    over.signal,
    async () => {
      waiting.cancel();
      // A lease that is lost on the way ends nothing: half an upgrade is worse than two at once.
      done = work();
      await done.catch(() => undefined);
      over.abort();
    },
  );
  waiting.cancel();
  if (!done) throw failure;
  return await done;
}
