import { join } from 'node:path';
import type { Files } from '#machinery/io.ts';
import type { Paths } from '../paths.ts';
import { readVersioned } from '../versioned-file.ts';

/**
 * Which program a data directory was last given, and which one it had before (`upgrade.json`). The supervisor becomes the one it names
 * when it is told to (supervisor.ts), and the one of before when that cannot run.
 */
export interface UpgradeRecord {
  /** Folders of programs. */
  program: string;
  before: string;
  /** `trial`: it has not shown yet that it runs; until then it is given up when it ends. */
  state: 'trial' | 'done' | 'failed';
  /** Why it failed. */
  why?: string;
}

const VERSION = 1;

export function upgradeRecordPath({ root }: Pick<Paths, 'root'>): string {
  return join(root, 'upgrade.json');
}

/** undefined: the programs here were never changed. Throws for a damaged file, and one of a newer version. */
export async function readUpgrade(
  files: Files,
  paths: Pick<Paths, 'root'>,
): Promise<UpgradeRecord | undefined> {
  return readVersioned(files, upgradeRecordPath(paths), VERSION, (record: UpgradeRecord) => record);
}

export async function writeUpgrade(
  files: Files,
  paths: Pick<Paths, 'root'>,
  record: UpgradeRecord,
): Promise<void> {
  const text = JSON.stringify({ version: VERSION, ...record }, null, 2);
  await files.write(upgradeRecordPath(paths), `${text}\n`, 0o600);
}
