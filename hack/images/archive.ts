import { createHash } from 'node:crypto';
import { packTar } from 'modern-tar';
import { layerTar } from './layers.ts';
import type { Layer, Recipe } from './recipes.ts';

const made = new Map<string, { tar: Buffer; digest: string }>();

/** A layer, made once however many images share it. */
function layerOf(layer: Layer): { tar: Buffer; digest: string } {
  const key = JSON.stringify(layer);
  let found = made.get(key);
  if (!found) {
    const tar = layerTar(layer);
    found = { tar, digest: createHash('sha256').update(tar).digest('hex') };
    made.set(key, found);
  }
  return found;
}

/** An image's config and layers, ready to be put into an archive or pushed. */
export function imageOf(recipe: Recipe): { config: Buffer; layers: { tar: Buffer; digest: string }[] } {
  const layers = recipe.layers.map(layerOf);
  const config = {
    architecture: 'amd64',
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: recipe.config,
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => `sha256:${digest}`) },
    history: recipe.layers.map(({ kind }) => ({
      created: '1970-01-01T00:00:00Z',
      created_by: `hack/images: ${kind}`,
    })),
  };
  return { config: Buffer.from(JSON.stringify(config)), layers };
}

/** The image as `docker save` writes it. */
export async function dockerArchive(recipe: Recipe): Promise<Buffer> {
  const { config, layers } = imageOf(recipe);
  const configName = `${createHash('sha256').update(config).digest('hex')}.json`;
  const manifest = [
    {
      Config: configName,
      RepoTags: [recipe.name],
      Layers: layers.map(({ digest }) => `${digest}/layer.tar`),
    },
  ];
  const files = new Map<string, Buffer>([[configName, config]]);
  for (const { tar, digest } of layers) files.set(`${digest}/layer.tar`, tar);
  files.set('manifest.json', Buffer.from(JSON.stringify(manifest)));
  const entries = [...files].map(([name, body]) => ({
    header: { name, size: body.length, type: 'file' as const, mtime: new Date(0) },
    body,
  }));
  return Buffer.from(await packTar(entries));
}
