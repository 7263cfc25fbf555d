import { existsSync } from 'node:fs';
import { ConfigMapKind } from '#api/kinds/config-map.ts';
import { NodeKind } from '#api/kinds/node.ts';
import type { Node } from '#api/objects.ts';
import { conditionOf } from '#api/semantics/conditions.ts';
import {
  isWantedOn,
  LOADED_IMAGES,
  type LoadedImage,
  loadedImageKey,
  loadedImages,
  loadedImageText,
} from '#api/semantics/loaded-images.ts';
import type { Client } from '#client/contract.ts';
import { isStatus } from '#machinery/errors.ts';
import { canonicalName, familiarName, namesOf, parseReference } from '#oci/reference.ts';
import { connect } from '../connection/connect.ts';
import { pathsOf } from '../paths.ts';
import { formatBytes, formatTable } from '../table.ts';

/** The names of loaded images as the cluster has them: an administrator's to give. */
export interface AdminFlags {
  dataDir: string;
  kubeconfig?: string;
}

/** With an administrator's rights, where this machine has them; undefined where it has not and none were named. */
export async function asAdmin<T>(
  { dataDir, kubeconfig }: AdminFlags,
  work: (client: Client) => Promise<T>,
): Promise<T | undefined> {
  const file = kubeconfig ?? pathsOf(dataDir).adminKubeconfig;
  if (kubeconfig === undefined && !existsSync(file)) return undefined;
  const { client, transport } = connect(file);
  try {
    return await work(client);
  } finally {
    transport.close();
  }
}

/** Says what these names mean from now on. Two who do so at once do not disturb each other. */
export async function writeLoaded(client: Client, images: readonly LoadedImage[]): Promise<void> {
  const data = Object.fromEntries(
    images.map((image) => [loadedImageKey(image.name), loadedImageText(image)]),
  );
  await patchNames(client, data).catch(async (error) => {
    if (!isStatus(error, 'NotFound')) throw error;
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...LOADED_IMAGES }, data };
    await client.create(ConfigMapKind, object).catch(async (clash) => {
      if (!isStatus(clash, 'AlreadyExists')) throw clash;
      await patchNames(client, data);
    });
  });
}

async function patchNames(client: Client, data: Record<string, string | null>): Promise<void> {
  await client.patch(ConfigMapKind, LOADED_IMAGES, { type: 'merge', body: { data } });
}

/** Takes the name from the cluster; false when it had none, or nobody here may. */
export async function forgetLoaded(reference: string, flags: AdminFlags): Promise<boolean> {
  const name = canonicalName(parseReference(reference));
  const done = await asAdmin(flags, async (client) => {
    if (!(await readLoaded(client)).has(name)) return false;
    await patchNames(client, { [loadedImageKey(name)]: null });
    return true;
  });
  return done ?? false;
}

async function readLoaded(client: Client): Promise<Map<string, LoadedImage>> {
  const map = await client.get(ConfigMapKind, LOADED_IMAGES).catch((error) => {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  });
  return loadedImages(map?.data);
}

/** How far an image has come over the nodes. */
export interface SpreadState {
  /** Those that have it, as they say. */
  have: string[];
  /** Those that are to have it, are at work and have it not. */
  missing: string[];
  /** Those that are to have it and are not at work. */
  away: string[];
}

/** Pure. Nodes that are wanted by name and do not exist are away. */
export function spreadState(image: LoadedImage, nodes: readonly Node[]): SpreadState {
  const state: SpreadState = { have: [], missing: [], away: [] };
  const byDigest = namesOf(parseReference(image.name), image.manifest.digest);
  for (const { metadata, status } of nodes) {
    const names = new Set((status?.images ?? []).flatMap((one) => one.names ?? []));
    if (byDigest.every((name) => names.has(name))) state.have.push(metadata.name);
    else if (!isWantedOn(image, metadata.name)) continue;
    else if (conditionOf(status?.conditions, 'Ready')?.status === 'True') state.missing.push(metadata.name);
    else state.away.push(metadata.name);
  }
  const known = new Set(nodes.map(({ metadata }) => metadata.name));
  if (image.nodes !== 'all') state.away.push(...image.nodes.filter((name) => !known.has(name)));
  return state;
}

/** `gantry image ls --cluster [-o json]`. */
export async function listLoaded(flags: AdminFlags & { output?: string }): Promise<number> {
  const rows = await asAdmin(flags, async (client) => {
    const images = [...(await readLoaded(client)).values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const { items } = await client.list(NodeKind);
    return images.map((image) => ({ ...image, ...spreadState(image, items), count: items.length }));
  });
  if (!rows) throw new Error(noAdmin('what the cluster has'));
  if (flags.output === 'json') {
    process.stdout.write(
      `${JSON.stringify(
        rows.map(({ count: _, ...row }) => row),
        null,
        2,
      )}\n`,
    );
    return 0;
  }
  const table = rows.map(({ name, id, sizeBytes, have, count }) => [
    familiarName(parseReference(name)),
    id.slice('sha256:'.length, 'sha256:'.length + 12),
    formatBytes(sizeBytes),
    `${have.length}/${count}`,
  ]);
  process.stdout.write(formatTable([['NAME', 'IMAGE ID', 'SIZE', 'NODES'], ...table]));
  return 0;
}

export function noAdmin(what: string): string {
  return `${what} is an administrator's to see and say: run this on a server, or name --kubeconfig`;
}
