import { spawn } from 'node:child_process';
import type { Clock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import { askMember, type MemberAnswer } from '#store/etcd/members.ts';
import type { Paths } from '../paths.ts';
import { explain } from './access.ts';
import { etcdCredentials, prepareMemberPki } from './pki.ts';
import { type EtcdPlace, etcdArguments, localEndpoint, placeOf } from './program.ts';
import { type MemberRecord, readMembers } from './record.ts';
import { claim, commandOf } from './role.ts';
import { within } from './within.ts';

/** It has its log to read, and to be elected if it is the only one. */
const START_MS = 60_000;
const STOP_MS = 15_000;
/** Of its last words. */
const WORDS_BYTES = 4_096;

export interface RunDeps {
  clock: Clock;
  signal: AbortSignal;
}

/**
 * Runs the member of a data directory that no server uses, for as long as `work` takes. Throws EtcdProgramError, and an Error with its last
 * words when it does not come to answer or finds no majority.
 */
export async function withMember<T>(
  paths: Paths,
  member: MemberRecord,
  { more = [], ...deps }: RunDeps & { more?: readonly string[] },
  work: (place: EtcdPlace, answer: MemberAnswer) => Promise<T>,
): Promise<T> {
  const place = placeOf(member, paths);
  const version = await claim(place);
  await prepareMemberPki(place, deps.clock);
  const [program, ...args] = commandOf([...etcdArguments({ ...place, member, version }), ...more]);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-WORDS_BYTES);
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, by) => resolve(`it ended (${by ?? code})`));
  });
  let over: string | undefined;
  void ended.then((how) => {
    over = how;
  });
  try {
    const options = { endpoints: [], credentials: etcdCredentials(paths), clock: deps.clock };
    const answer = await within(
      { ...deps, waitMs: START_MS },
      async () => {
        if (over !== undefined) throw new Error(`etcd does not run: ${over}\n${words}`);
        const said = await askMember(options, [localEndpoint(place)]);
        return said?.hasLeader ? said : undefined;
      },
      async () => {
        const why = await explain(await readMembers(systemFiles(), paths), options);
        return new Error(why ?? `etcd does not come to answer\n${words}`);
      },
    );
    return await work(place, answer);
  } finally {
    child.kill('SIGTERM');
    const timer = deps.clock.timer(STOP_MS, () => child.kill('SIGKILL'));
    await ended;
    timer.cancel();
  }
}
