/**
 * A control plane on SQLite in a process of its own, so that it can be killed: `server-process.ts DIRECTORY PORT`, with
 * tls.json in the directory. Says `ready PORT` once it serves.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#machinery/clock.ts';
import { openSqliteStore } from '#store/sqlite/index.ts';
import { openControlPlane } from './open.ts';

const [directory = '', port = ''] = process.argv.slice(2);
const tls = JSON.parse(readFileSync(join(directory, 'tls.json'), 'utf8'));
const store = await openSqliteStore({ directory: join(directory, 'store'), clock: systemClock });
const { server } = await openControlPlane(store, { tls, port: Number(port) });
process.stdout.write(`ready ${server.addresses[0]!.port}\n`);
