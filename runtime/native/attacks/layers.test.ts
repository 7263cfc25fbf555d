import { mkdir, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { RuntimeError } from '../../contract.ts';
import { type Entry, tar } from '../test-tar.ts';
import { NativeUnpacker } from '../unpacker.ts';
import { attacks, content, paused, type Target } from './attack.ts';

/** Attacks by an image's layer while it is unpacked. */

interface Places {
  /** Where it is unpacked. */
  layer: string;
  /** A directory of the node's that no layer may change. */
  victim: string;
}

async function places({ node }: Target): Promise<Places> {
  const [layer, victim] = [join(node.base, 'unpacked'), join(node.base, 'victim')];
  for (const directory of [layer, victim, join(victim, 'private')]) await mkdir(directory, { mode: 0o700 });
  return { layer, victim };
}

/** Whether a layer is taken or refused is all the same: what counts is what it did. */
async function unpack({ node }: Target, layer: string, ...entries: Entry[]): Promise<void> {
  const unpacker = new NativeUnpacker(node.binDirectory);
  try {
    await unpacker.unpack(Readable.from([tar(...entries)]), layer, new AbortController().signal);
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
  }
}

/** Mode and owner: `700 0:0`. */
async function rights(path: string): Promise<string> {
  const { mode, uid, gid } = await stat(path);
  return `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
}

attacks('layers', [
  {
    name: 'CVE-2021-32760: mode and owner of a directory below a link out of the layer',
    defence: 'layer-root',
    async attempt(target) {
      const { layer, victim } = await places(target);
      const link: Entry = { path: 'out', type: '2', link: victim };
      await unpack(target, layer, link, {
        path: 'out/private',
        type: '5',
        mode: 0o777,
        uid: 1000,
        gid: 1000,
      });
      return await rights(join(victim, 'private'));
    },
    stopped: /^700 0:0$/,
    succeeded: /^777 1000:1000$/,
  },
  {
    name: 'CVE-2021-32760: the same of a directory that is itself behind the link',
    defence: 'layer-links',
    async attempt(target) {
      const { layer, victim } = await places(target);
      const link: Entry = { path: 'out', type: '2', link: victim };
      await unpack(target, layer, link, { path: 'out', type: '5', mode: 0o777, uid: 1000, gid: 1000 });
      return await rights(victim);
    },
    stopped: /^700 0:0$/,
    succeeded: /^777 1000:1000$/,
  },
  {
    name: 'CVE-2021-32760: a hard link that takes a file of the node into the image',
    defence: 'layer-root',
    async attempt(target) {
      const { layer, victim } = await places(target);
      await writeFile(join(victim, 'key'), 'the node’s secret');
      const link: Entry = { path: 'out', type: '2', link: victim };
      await unpack(target, layer, link, { path: 'taken', type: '1', link: 'out/key' });
      return await content(layer, 'taken');
    },
    stopped: 'not there',
    succeeded: 'the node’s secret',
  },
  {
    name: 'CVE-2025-47290: a directory that becomes a link after it was resolved',
    defence: 'held-parent',
    pause: 'layer-parent',
    async attempt(target) {
      const { layer, victim } = await places(target);
      const directory = join(layer, 'directory');
      await mkdir(directory);
      await paused(
        target,
        () => unpack(target, layer, { path: 'directory/file', content: 'the image’s' }),
        async () => {
          await rename(directory, join(layer, 'before'));
          await symlink(victim, directory);
        },
      );
      return `${await content(layer, 'before/file')}; ${await content(victim, 'file')}`;
    },
    stopped: 'the image’s; not there',
    succeeded: 'not there; the image’s',
  },
]);
