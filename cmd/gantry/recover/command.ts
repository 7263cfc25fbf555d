import { createReadStream, existsSync } from 'node:fs';
import { checkBackup, raiseVersions, restoreBackup } from '#apiserver/backup/restore.ts';
import { keySpace } from '#apiserver/engine/keys.ts';
import { systemClock } from '#machinery/clock.ts';
import { systemFiles } from '#machinery/files.ts';
import { textLogger } from '#machinery/log.ts';
import { systemRandom, uuid } from '#machinery/random.ts';
import type { Store } from '#store/contract.ts';
import { openEtcdStore } from '#store/etcd/index.ts';
import { askMember, endpointOf } from '#store/etcd/members.ts';
import { isInUse } from '../machine/processes.ts';
import { stopSignal } from '../machine/stop.ts';
import { etcdCredentials } from '../managed-etcd/pki.ts';
import { type EtcdPlace, localEndpoint } from '../managed-etcd/program.ts';
import {
  hasEtcdData,
  type MemberRecord,
  readMember,
  readMembers,
  writeMember,
  writeMembers,
} from '../managed-etcd/record.ts';
import { withMember } from '../managed-etcd/run.ts';
import { type Paths, pathsOf } from '../paths.ts';
import { CLUSTER } from '../state/store.ts';
import {
  explanation,
  judgeRecovery,
  judgeRestart,
  NotRecoverableError,
  newerThan,
  type Sight,
  tooOld,
} from './plan.ts';
import { workCopy } from './work-copy.ts';

export interface RecoverFlags {
  dataDir: string;
  /** A snapshot, when no member's data is left. */
  from?: string;
  yes?: boolean;
  output?: string;
}

/** What `-o json` tells. */
interface Recovered {
  /** The only member. */
  member: string;
  resourceVersion: number;
  entries: number;
  /** Where the data of before is kept, if there was any. */
  kept?: string;
}

const files = systemFiles();
const clock = systemClock;

/** `gantry recover`: goes on after most members of a managed etcd are gone for good, with what this machine has or with a snapshot. */
export async function recover(flags: RecoverFlags): Promise<number> {
  const paths = pathsOf(flags.dataDir);
  const record = await readMember(files, paths);
  if (!record)
    throw new Error(
      `${paths.root} runs no etcd of its own ("gantry up --etcd managed"): recover an etcd elsewhere by its own means, and SQLite with "gantry restore"`,
    );
  const sight = await look(paths, record);
  if (flags.from === undefined) judgeRecovery(sight);
  else judgeRestart(sight);
  if (!flags.yes) {
    process.stdout.write(flags.from === undefined ? explanation(sight) : restartText(flags.from));
    process.stdout.write(`Nothing was changed. ${nextStep(paths, flags)}\n`);
    return 1;
  }
  if (isInUse(paths)) throw new Error(`gantry runs on ${paths.root}: ${nextStep(paths, flags)}`);
  if (flags.from !== undefined) await checkFile(flags.from);
  const done = await run(paths, record, sight, flags.from);
  process.stdout.write(flags.output === 'json' ? `${JSON.stringify(done, null, 2)}\n` : text(done, sight));
  return 0;
}

function restartText(file: string): string {
  return `To recover begins etcd anew on this machine alone, with what ${file} holds: what came after it is lost.\n`;
}

function nextStep({ root }: Paths, { from }: RecoverFlags): string {
  const again = `gantry recover${from === undefined ? '' : ` --from ${from}`} --data-dir ${root} --yes`;
  return `Stop gantry on this machine (systemctl stop gantry), see that the other servers stay stopped, then run: ${again}`;
}

async function look(paths: Paths, record: MemberRecord): Promise<Sight> {
  const credentials = etcdCredentials(paths);
  const known = await readMembers(files, paths);
  const members = await Promise.all(
    known.map(async (member) => {
      const endpoints = member.clientUrls.map(endpointOf);
      return { ...member, answer: await askMember({ endpoints, credentials, clock }, endpoints) };
    }),
  );
  members.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { here: { id: record.id ?? '', hasData: await hasEtcdData(files, paths) }, members };
}

/** Before anything of the old data is given up. */
async function checkFile(file: string): Promise<void> {
  if (!existsSync(file)) throw new Error(`${file} does not exist`);
  const { header } = await checkBackup(createReadStream(file));
  if (header.cluster !== CLUSTER)
    throw new Error(`${file} is of the cluster "${header.cluster}", this one is "${CLUSTER}"`);
}

async function run(
  paths: Paths,
  record: MemberRecord,
  sight: Sight,
  file: string | undefined,
): Promise<Recovered> {
  const { name, peerUrl, clientUrl } = record;
  const initialCluster = `${name}=${peerUrl}`;
  const copy = await workCopy(paths, { empty: file !== undefined, nowMs: clock.now() });
  try {
    // The others do not reach it before it is what it shall be. Of a flag that is given twice etcd takes the last.
    const apart = [
      '--data-dir',
      copy.path,
      '--listen-peer-urls',
      `https://127.0.0.1:${new URL(peerUrl).port}`,
    ];
    // Members of the old cluster do not take a new one for theirs, though it has the same addresses.
    const begin = file
      ? ['--initial-cluster-token', `gantry-${uuid(systemRandom)}`]
      : ['--force-new-cluster'];
    const { id, ...filled } = await withMember(
      paths,
      { ...record, initialCluster, existing: false },
      { clock, signal: stopSignal(), more: [...apart, ...begin] },
      async (place, answer) => ({ id: answer.id, ...(await prepared(place, sight, file)) }),
    );
    const kept = await copy.swap();
    await writeMember(files, paths, { ...record, id, initialCluster, existing: false });
    const alone = { id, name, peerUrls: [peerUrl], clientUrls: [clientUrl], isLearner: false };
    await writeMembers(files, paths, [alone]);
    return { member: name, ...filled, ...(kept !== undefined && { kept }) };
  } catch (error) {
    await copy.discard();
    throw error;
  }
}

/** Compares with the others, fills or checks the store, and sees that no resourceVersion is handed out a second time. */
async function prepared(
  place: EtcdPlace,
  sight: Sight,
  file: string | undefined,
): Promise<{ resourceVersion: number; entries: number }> {
  const log = textLogger((line) => process.stderr.write(line), 'error', clock, { part: 'recover' });
  const keys = keySpace(CLUSTER);
  const store = await openEtcdStore({
    ...{ endpoints: [localEndpoint(place)], credentials: etcdCredentials(place.paths) },
    ...{ root: `/gantry/${CLUSTER}/`, random: systemRandom, clock, log },
  });
  try {
    const now = () => clock.now();
    if (file !== undefined) {
      const read = () => createReadStream(file, { highWaterMark: 1024 * 1024 });
      const done = await restoreBackup({ store, keys, cluster: CLUSTER, read, force: true, now });
      return { resourceVersion: done.resourceVersion, entries: done.end.entries };
    }
    const newer = newerThan(await store.revision(), sight);
    if (newer) throw new NotRecoverableError(tooOld(newer));
    const info = { time: now(), actor: 'system:recover', cause: 'gantry recover' };
    return {
      resourceVersion: await raiseVersions(store, keys, info),
      entries: await count(store, keys.root),
    };
  } finally {
    await store.close();
  }
}

const PAGE = 500;

async function count(store: Store, prefix: string): Promise<number> {
  let entries = 0;
  for (let after: string | undefined; ; ) {
    const page = await store.list(prefix, { limit: PAGE, after });
    entries += page.entries.length;
    after = page.entries.at(-1)?.key;
    if (!page.more) return entries;
  }
}

function text({ member, resourceVersion, entries, kept }: Recovered, { here, members }: Sight): string {
  const others = members.filter(({ id }) => id !== here.id).map(({ name, id }) => name || id);
  return [
    `recovered: ${member} is the only member of etcd, with ${entries} entries; resourceVersions go on from ${resourceVersion}`,
    ...(kept === undefined ? [] : [`the data of before is kept in ${kept}; remove it when all is well`]),
    'Start gantry again as before (systemctl start gantry).',
    `Then, on each of ${others.join(', ') || 'the others'}: "gantry purge --yes", and join again with the line of "gantry token create --role server".`,
    '',
  ].join('\n');
}
