import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Pod, Volume } from '#api/objects.ts';
import type { VolumeContext, VolumeDriver, VolumeSources } from './contract.ts';

/** A pod with one volume, for tests of drivers. */
export function podWith(volume: Volume): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop', uid: 'uid-1', labels: { app: 'web' } },
    spec: {
      containers: [{ name: 'main', resources: { limits: { memory: '64Mi', cpu: '250m' } } }],
      volumes: [volume],
    },
  };
}

/** Sources that know nothing but what is given. */
export function sourcesOf(given: Partial<VolumeSources> = {}): VolumeSources {
  return {
    configMap: () => undefined,
    secret: () => undefined,
    token: () => Promise.resolve('token'),
    ...given,
  };
}

/** The cases every driver passes. `volume` is one it accepts and, with `sources`, can mount. */
export function volumeConformance(
  name: string,
  make: () => VolumeDriver,
  example: { volume: Volume; sources?: VolumeSources },
): void {
  describe(`volume driver ${name}`, () => {
    let root: string;
    let context: VolumeContext;
    beforeEach(async () => {
      root = await mkdtemp(`${tmpdir()}/gantry-volumes-`);
      const { volume, sources = sourcesOf() } = example;
      context = { pod: podWith(volume), volume, directory: `${root}/${name}/v`, sources };
    });
    afterEach(() => rm(root, { recursive: true, force: true }));

    it('accepts its own volume and no other', () => {
      expect(make().accepts(example.volume)).toBe(true);
      expect(make().accepts({ name: 'x' })).toBe(false);
    });

    it('mounts twice to the same path', async () => {
      const driver = make();
      const first = await driver.mount(context);
      const second = await driver.mount(context);
      expect(second).toEqual(first);
      await expect(readdir(first.path)).resolves.toBeDefined();
    });

    it('leaves nothing of its own behind, and unmounts twice', async () => {
      const driver = make();
      await driver.mount(context);
      await driver.unmount(context);
      await driver.unmount(context);
      await expect(readdir(context.directory)).rejects.toThrow('ENOENT');
    });

    it('unmounts what was never mounted', async () => {
      await expect(make().unmount(context)).resolves.toBeUndefined();
    });
  });
}
