import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#machinery/clock.ts';
import { certificateRows, certificateTable } from './certificate-table.ts';
import { pathsOf } from './paths.ts';

export interface CertsFlags {
  dataDir: string;
  output?: string;
}

/** Where certificates lie in a data directory. */
const PLACES = ['pki', 'etcd'];

/** `gantry certs status`: every certificate on this machine. Exit code 1 when one has ended. */
export async function certificateStatus(flags: CertsFlags): Promise<number> {
  const { root } = pathsOf(flags.dataDir);
  const files = PLACES.flatMap((place) => certificateFiles(join(root, place)));
  const rows = certificateRows(files, systemClock.now());
  process.stdout.write(
    flags.output === 'json' ? `${JSON.stringify(rows, null, 2)}\n` : certificateTable(rows),
  );
  return rows.some(({ leftMs }) => leftMs <= 0) ? 1 : 0;
}

function certificateFiles(directory: string): { path: string; text: string }[] {
  if (!existsSync(directory)) return [];
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => /\.(crt|pem)$/.test(name))
    .sort()
    .map((name) => ({ path: join(directory, name), text: readFileSync(join(directory, name), 'utf8') }));
}
