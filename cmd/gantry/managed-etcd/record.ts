import { join } from 'node:path';
import type { Files } from '#machinery/io.ts';
import type { Member } from '#store/etcd/members.ts';
import type { Paths } from '../paths.ts';

/**
 * What a machine keeps of the etcd that runs on it, in the data directory's `etcd/`: `member.json`, who it is; `members.json`, who the
 * others are, as last seen; `data/`, which is etcd's own.
 */
export interface MemberRecord {
  name: string;
  /** Hexadecimal; known once etcd has given it. */
  id?: string;
  peerUrl: string;
  clientUrl: string;
  /** All members when it was started first: `name=peerUrl,...`. etcd reads this only while it has no data. */
  initialCluster: string;
  /** Whether that cluster was there already. */
  existing: boolean;
  /** Of its database; 0: etcd's own default. */
  quotaBytes: number;
}

/** Of both files; a newer program may write others. */
const FORMAT = 1;

export function etcdDataPath({ root }: Pick<Paths, 'root'>): string {
  return join(root, 'etcd/data');
}

export function memberRecordPath({ root }: Pick<Paths, 'root'>): string {
  return join(root, 'etcd/member.json');
}

/** Also among what a server gives to one that joins. */
export const MEMBERS_FILE = 'etcd/members.json';

/** undefined: no etcd of ours runs here. Throws for a file of another format, and a damaged one. */
export async function readMember(
  files: Files,
  paths: Pick<Paths, 'root'>,
): Promise<MemberRecord | undefined> {
  return (await readFormat(files, memberRecordPath(paths)))?.['member'] as MemberRecord | undefined;
}

export async function writeMember(
  files: Files,
  paths: Pick<Paths, 'root'>,
  member: MemberRecord,
): Promise<void> {
  await write(files, paths, memberRecordPath(paths), { member });
}

/** Those that were last seen; empty when none were. */
export async function readMembers(files: Files, paths: Pick<Paths, 'root'>): Promise<Member[]> {
  const read = await readFormat(files, join(paths.root, MEMBERS_FILE));
  return (read?.['members'] ?? []) as Member[];
}

export async function writeMembers(
  files: Files,
  paths: Pick<Paths, 'root'>,
  members: readonly Member[],
): Promise<void> {
  const plain = members.map(({ id, name, peerUrls, clientUrls, isLearner }) => ({
    ...{ id, name, peerUrls, clientUrls, isLearner },
  }));
  await write(files, paths, join(paths.root, MEMBERS_FILE), { members: plain });
}

/** Whether etcd has run here: it holds state. */
export async function hasEtcdData(files: Files, paths: Pick<Paths, 'root'>): Promise<boolean> {
  return (await files.list(join(etcdDataPath(paths), 'member/wal'))).length > 0;
}

async function readFormat(files: Files, path: string): Promise<Record<string, unknown> | undefined> {
  const bytes = await files.read(path);
  if (!bytes) return undefined;
  try {
    const { format, ...rest } = JSON.parse(Buffer.from(bytes).toString());
    if (format !== FORMAT) throw new RangeError(`it is of format ${format}, this program reads ${FORMAT}`);
    return rest;
  } catch (error) {
    throw new Error(`${path} cannot be used: ${(error as Error).message}`);
  }
}

async function write(
  files: Files,
  { root }: Pick<Paths, 'root'>,
  path: string,
  content: object,
): Promise<void> {
  await files.mkdir(join(root, 'etcd'), 0o700);
  await files.write(path, `${JSON.stringify({ format: FORMAT, ...content }, null, 2)}\n`, 0o600);
}
