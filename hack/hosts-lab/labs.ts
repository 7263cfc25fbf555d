import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { killHost } from '#test/harness/host-processes.ts';
import { Lab, type LabHost } from '#test/harness/lab.ts';

/** What each lab was made of: enough to find, and to remove, all that it is. */
const LABS = '/var/lib/gantry-labs';

/** A lab that outlives the command that made it, with a directory for the state of each host. */
export interface KeptLab {
  lab: Lab;
  /** By `h1`, `h2`, ... */
  hosts: ReadonlyMap<string, LabHost>;
  /** Of the lab: everything of it that is in files. */
  directory: string;
  directoryOf(name: string): string;
}

interface Record {
  hosts: number;
  subnets: number;
  mtu: number;
  /** Of each host. */
  diskBytes: number;
}

/** Makes the lab; what was made is undone when something of it fails. */
export async function makeLab(record: Record): Promise<KeptLab> {
  const { id } = new Lab(record);
  mkdirSync(join(LABS, id), { recursive: true, mode: 0o700 });
  // Before anything is made: whatever happens next, `down` finds it.
  writeFileSync(join(LABS, id, 'lab.json'), JSON.stringify(record));
  const kept = openLab(id);
  try {
    await kept.lab.create();
  } catch (error) {
    await removeLab(id);
    throw error;
  }
  return kept;
}

export function labIds(): string[] {
  return existsSync(LABS) ? readdirSync(LABS).sort() : [];
}

export function openLab(id: string): KeptLab {
  const record = JSON.parse(readFileSync(join(LABS, id, 'lab.json'), 'utf8')) as Record;
  const directoryOf = (name: string) => join(LABS, id, name);
  const space = { diskBytes: record.diskBytes, directoryOf: (at: number) => directoryOf(`h${at + 1}`) };
  const lab = new Lab({ ...record, id, space });
  const hosts = new Map(lab.hosts.map((host, at) => [`h${at + 1}`, host]));
  return { lab, hosts, directory: join(LABS, id), directoryOf };
}

/** Ends every process of the lab and removes all that it is; also one that was made or removed only in part. */
export async function removeLab(id: string): Promise<void> {
  const { lab } = openLab(id);
  for (const { name } of lab.hosts) if (existsSync(`/run/netns/${name}`)) await killHost(name);
  await lab.remove();
  rmSync(join(LABS, id), { recursive: true });
}
