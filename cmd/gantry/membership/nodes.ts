import { EndpointSliceKind } from '#api/kinds/endpoint-slice.ts';
import { NodeKind } from '#api/kinds/node.ts';
import type { Node } from '#api/objects.ts';
import {
  type Availability,
  availabilityOf,
  availabilityPatch,
  DRAINED,
  type DrainOptions,
} from '#api/semantics/availability.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import type { Client } from '#client/contract.ts';
import { systemClock } from '#machinery/clock.ts';
import { isStatus } from '#machinery/errors.ts';
import { type AdminFlags, withAdmin } from '../connection/connect.ts';
import { progressLine } from '../progress.ts';
import { formatTable } from '../table.ts';
import { drain, isReady } from './drain.ts';
import { askRemoval } from './removal.ts';

export interface DrainFlags extends AdminFlags {
  force?: boolean;
  /** Seconds. */
  gracePeriod?: number;
  /** Milliseconds; 0 = as long as it takes. */
  timeout: number;
}

interface NodeRow {
  name: string;
  status: 'Ready' | 'NotReady' | 'Unknown';
  availability: Availability;
  /** Of one that is drained: whether that is done, and what it waits for. */
  drained?: boolean;
  reason?: string;
  schedulable: boolean;
  role: 'server' | 'node';
  address: string;
  version: string;
}

/** `gantry node ls` */
export async function listNodes(flags: AdminFlags & { output?: string }): Promise<number> {
  const rows = await withAdmin(flags, async (client) => {
    const [{ items }, servers] = await Promise.all([client.list(NodeKind), serverAddresses(client)]);
    return items.map((node) => rowOf(node, servers));
  });
  process.stdout.write(flags.output === 'json' ? `${JSON.stringify(rows)}\n` : nodeTable(rows));
  return 0;
}

export function rowOf(node: Node, servers: ReadonlySet<string>): NodeRow {
  const { metadata, spec, status } = node;
  const addresses = (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP');
  const said = conditionOf(status?.conditions, 'Ready')?.status;
  const drained = conditionOf(status?.conditions, DRAINED);
  return {
    name: metadata.name,
    status: said === 'True' ? 'Ready' : said === 'False' ? 'NotReady' : 'Unknown',
    availability: availabilityOf(node),
    ...(drained && { drained: drained.status === 'True' }),
    ...(drained && drained.status !== 'True' && { reason: drained.message }),
    schedulable: !spec?.unschedulable,
    role: addresses.some(({ address }) => servers.has(address)) ? 'server' : 'node',
    address: addresses[0]?.address ?? '',
    version: status?.nodeInfo?.kubeletVersion ?? '',
  };
}

export function nodeTable(rows: readonly NodeRow[]): string {
  if (rows.length === 0) return 'no nodes: "gantry token create" prints how a machine joins\n';
  const cells = rows.map((row) => [
    ...[row.name, row.status, availabilityCell(row), row.role, row.address, row.version],
  ]);
  return formatTable([['NAME', 'STATUS', 'AVAILABILITY', 'ROLE', 'ADDRESS', 'VERSION'], ...cells]);
}

function availabilityCell({ availability, drained, schedulable }: NodeRow): string {
  if (availability === 'drain') return drained ? 'drained' : 'drain (not yet)';
  return availability === 'active' && !schedulable ? 'cordoned' : availability;
}

/** Where the servers are that are at work. */
export async function serverAddresses(client: Client): Promise<Set<string>> {
  const { endpoints } = await client.get(EndpointSliceKind, { name: 'kubernetes', namespace: 'default' });
  return new Set((endpoints ?? []).flatMap(({ addresses }) => addresses));
}

/** `gantry node update --availability` */
export async function updateNodes(
  names: readonly string[],
  flags: AdminFlags & { availability: Availability; force?: boolean; gracePeriod?: number },
): Promise<number> {
  return await withAdmin(flags, (client) =>
    forEach(names, async (name) => {
      const body = availabilityPatch(flags.availability, drainOptions(flags));
      await client.patch(NodeKind, { name }, { type: 'merge', body });
      process.stdout.write(`${name}\n`);
    }),
  );
}

/** `gantry node drain`: waits until it is. */
export async function drainNodes(names: readonly string[], flags: DrainFlags): Promise<number> {
  return await withAdmin(flags, (client) => forEach(names, (name) => drainOne(client, name, flags)));
}

async function drainOne(client: Client, node: string, flags: DrainFlags): Promise<void> {
  const line = progressLine();
  try {
    const deps = { client, clock: systemClock, show: line.show };
    await drain({ node, timeoutMs: flags.timeout, ...drainOptions(flags) }, deps);
  } finally {
    line.end();
  }
  process.stdout.write(`${node} is drained\n`);
}

function drainOptions({ force, gracePeriod }: { force?: boolean; gracePeriod?: number }): DrainOptions {
  return { ...(force && { force }), ...(gracePeriod !== undefined && { gracePeriodSeconds: gracePeriod }) };
}

/** `gantry node rm`: drains what lives, and frees the name. */
export async function removeNodes(
  names: readonly string[],
  flags: DrainFlags & { drain: boolean },
): Promise<number> {
  return await withAdmin(flags, (client, transport) =>
    forEach(names, async (name) => {
      const node = await client.get(NodeKind, { name }).catch((error) => {
        // Its name may be bound all the same.
        if (isStatus(error, 'NotFound')) return undefined;
        throw error;
      });
      const alive = node !== undefined && isReady(node);
      if (node && !flags.force) await refuse(client, node, flags.drain);
      if (alive && flags.drain) await drainOne(client, name, flags);
      const { pods } = await askRemoval(transport, name, flags.force);
      const had = pods === 0 ? '' : `, with ${pods === 1 ? 'a pod' : `${pods} pods`} that it had`;
      process.stdout.write(`removed ${name}${had}\n`);
      if (alive)
        process.stderr.write(
          `What still runs on ${name} goes with "gantry leave --force" there, or "gantry purge"\n`,
        );
    }),
  );
}

/** Before anything is changed. */
async function refuse(client: Client, node: Node, wantsDrain: boolean): Promise<void> {
  const { name } = node.metadata;
  const { role } = rowOf(node, await serverAddresses(client));
  if (role === 'server')
    throw new Error(
      `${name} is the machine of a server that is at work: run "gantry leave" there (when it is dead, --force)`,
    );
  if (wantsDrain && !isReady(node))
    throw new Error(
      `${name} is not ready, so its pods do not end: when it is dead, --force removes it with them as they are`,
    );
}

/** One after the other; what cannot be done with one is said, and is no reason to leave out the next. */
async function forEach(names: readonly string[], act: (name: string) => Promise<void>): Promise<number> {
  let code = 0;
  for (const name of names)
    try {
      await act(name);
    } catch (error) {
      process.stderr.write(`gantry: ${(error as Error).message}\n`);
      code = 1;
    }
  return code;
}
