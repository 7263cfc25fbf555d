import { createReadStream, existsSync, statSync } from 'node:fs';
import { NodeKind } from '#api/kinds/node.ts';
import type { LoadedImage } from '#api/semantics/loaded-images.ts';
import type { Client } from '#client/contract.ts';
import { sleep, systemClock } from '#machinery/clock.ts';
import { familiarName, parseReference } from '#oci/reference.ts';
import { type ProgressLine, progressLine } from '../progress.ts';
import { formatBytes } from '../table.ts';
import { askAgent } from './image.ts';
import type { ImageRow } from './image-api.ts';
import { type AdminFlags, asAdmin, type SpreadState, spreadState, writeLoaded } from './image-names.ts';

interface LoadFlags extends AdminFlags {
  name?: string;
  nodes?: string[];
  lazy?: boolean;
  local?: boolean;
  /** Milliseconds. */
  timeout: number;
  output?: string;
}

/** How often the nodes are asked how far they are. */
const LOOK_MS = 250;

/**
 * `gantry image load FILE`: into this node, from which the others get it, and its names into the cluster. Exit code 1 when nodes that
 * are at work and are to get it have not by the end of the time.
 */
export async function loadImage(file: string, flags: LoadFlags): Promise<number> {
  if ([flags.nodes, flags.lazy, flags.local].filter(Boolean).length > 1)
    throw new Error('--nodes, --lazy and --local exclude each other');
  const line = progressLine();
  const rows = await upload(file, flags, line).finally(() => line.end());
  const images = rows.flatMap((row) => loadedOf(row, flags));
  const states = flags.local
    ? undefined
    : await asAdmin(flags, async (client) => {
        await writeLoaded(client, images);
        return waitForNodes(client, images, flags.timeout, line).finally(() => line.end());
      });
  if (flags.output === 'json') {
    const facts = rows.map(({ id, names, sizeBytes }) => ({ id, names, sizeBytes }));
    const spread = images.map(({ name }, i) => ({ name, ...states?.[i] }));
    process.stdout.write(`${JSON.stringify({ images: facts, ...(states && { spread }) }, null, 2)}\n`);
  } else tell(rows, images, states, flags);
  return states?.some(({ missing }) => missing.length > 0 && flags.timeout > 0) ? 1 : 0;
}

async function upload(file: string, flags: LoadFlags, line: ProgressLine): Promise<ImageRow[]> {
  if (file !== '-' && !existsSync(file)) throw new Error(`${file} does not exist`);
  const body = file === '-' ? process.stdin : createReadStream(file);
  const total = file === '-' ? '' : ` of ${formatBytes(statSync(file).size)}`;
  let sent = 0;
  body.on('data', (chunk: Buffer) => {
    sent += chunk.length;
    line.show(`reading ${formatBytes(sent)}${total}`);
  });
  const query = flags.name ? `?name=${encodeURIComponent(flags.name)}` : '';
  return await askAgent<ImageRow[]>(flags.dataDir, 'POST', `/images${query}`, body);
}

/** What the cluster is to know of an image: an entry for each tag. */
function loadedOf({ id, names, manifest, sizeBytes }: ImageRow, { nodes, lazy }: LoadFlags): LoadedImage[] {
  if (!manifest) return [];
  const wanted = lazy ? [] : (nodes ?? 'all');
  return names
    .filter((name) => !name.includes('@'))
    .map((name) => ({ name, id, manifest, sizeBytes, nodes: wanted }));
}

async function waitForNodes(
  client: Client,
  images: readonly LoadedImage[],
  timeoutMs: number,
  line: ProgressLine,
): Promise<SpreadState[]> {
  const until = systemClock.monotonic() + timeoutMs;
  for (;;) {
    const { items } = await client.list(NodeKind);
    const states = images.map((image) => spreadState(image, items));
    const missing = new Set(states.flatMap((state) => state.missing));
    if (missing.size === 0 || systemClock.monotonic() >= until) return states;
    line.show(`waiting for ${[...missing].sort().join(', ')}`);
    await sleep(systemClock, LOOK_MS);
  }
}

function tell(
  rows: readonly ImageRow[],
  images: readonly LoadedImage[],
  states: readonly SpreadState[] | undefined,
  flags: LoadFlags,
): void {
  for (const { id, sizeBytes } of rows.filter((row) => !images.some((image) => image.id === row.id)))
    process.stdout.write(
      `loaded ${id} (${formatBytes(sizeBytes)}), which has no name: give it one with --name\n`,
    );
  for (const [i, { name, sizeBytes }] of images.entries()) {
    const what = `loaded ${familiarName(parseReference(name))} (${formatBytes(sizeBytes)})`;
    process.stdout.write(`${what}${states ? `: ${whereText(states[i]!)}` : ', on this node alone'}\n`);
  }
  if (!states && !flags.local)
    process.stderr.write(
      "Other nodes do not know it: names of the cluster are an administrator's to give (--kubeconfig, or on a server).\n",
    );
}

/** `on 2 of 3 nodes; n3 gets it when it is back`. */
export function whereText({ have, missing, away }: SpreadState): string {
  const all = have.length + missing.length + away.length;
  const parts = [`on ${have.length} of ${all} ${all === 1 ? 'node' : 'nodes'}`];
  if (missing.length > 0) parts.push(`${missing.sort().join(', ')} did not get it yet`);
  if (away.length > 0) parts.push(`${away.sort().join(', ')} gets it when it is there`);
  return parts.join('; ');
}
