import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { withAdmin } from '../connection/connect.ts';
import { pathsOf } from '../paths.ts';
import type { RotationAnswer } from './authorities/plan.ts';
import { ask } from './authorities/rotate.ts';
import {
  type CertificateRow,
  certificateRows,
  certificateTable,
  rotationTable,
} from './certificate-table.ts';

export interface CertsFlags {
  dataDir: string;
  output?: string;
}

/** Where certificates lie in a data directory. */
const PLACES = ['pki', 'etcd'];

/** `gantry certs status`: every certificate on this machine, and on a server what is replaced. Exit code 1 when one has ended. */
export async function certificateStatus(flags: CertsFlags): Promise<number> {
  const { root } = pathsOf(flags.dataDir);
  const rotation = await rotationOf(flags);
  const files = PLACES.flatMap((place) => certificateFiles(join(root, place)));
  const rows = certificateRows(files, systemClock.now());
  const told = rows.map((row) => ({ ...row, ...rotationFor(row, rotation) }));
  process.stdout.write(
    flags.output === 'json'
      ? `${JSON.stringify(told, null, 2)}\n`
      : `${certificateTable(rows)}${rotation ? `\n${rotationTable(rotation)}` : ''}`,
  );
  return rows.some(({ leftMs }) => leftMs <= 0) ? 1 : 0;
}

/** undefined where nobody can be asked. */
async function rotationOf(flags: CertsFlags): Promise<RotationAnswer | undefined> {
  if (!existsSync(pathsOf(flags.dataDir).adminKubeconfig)) return undefined;
  try {
    return await withAdmin(flags, (_, transport) => ask({ transport }, 'GET'));
  } catch (error) {
    process.stderr.write(
      `gantry: the servers do not say how authorities are replaced: ${messageOf(error)}\n`,
    );
    return undefined;
  }
}

/** Of the authority itself, not of one that is trusted beside it. */
function rotationFor(row: CertificateRow, rotation: RotationAnswer | undefined) {
  const found = rotation?.authorities.find(
    ({ name, authorities }) => name === row.name && authorities[0]?.keyHash === row.keyHash,
  );
  return found && { rotation: { ...found, mode: rotation!.mode } };
}

function certificateFiles(directory: string): { path: string; text: string }[] {
  if (!existsSync(directory)) return [];
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => /\.(crt|pem)$/.test(name))
    .sort()
    .map((name) => ({ path: join(directory, name), text: readFileSync(join(directory, name), 'utf8') }));
}
