import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { attacks, bind, content, imageOf, outcome } from './attack.ts';

/** Attacks by links that an image or a volume holds where the runtime mounts. */

attacks('links', [
  {
    name: 'CVE-2021-30465: a mount target of which a link leads out of the root, and a later source is looked up in it',
    defence: 'in-root',
    async attempt(target) {
      const { base } = target.node;
      const [volumes, secret] = [join(base, 'volumes'), join(base, 'secret')];
      await mkdir(join(volumes, 'shared'), { recursive: true });
      await mkdir(join(volumes, 'second'));
      await mkdir(secret);
      await writeFile(join(secret, 'key'), 'the node’s secret');
      // What another container of the same volume puts there: over it lands the node's directory of volumes.
      await symlink(volumes, join(volumes, 'shared/target'));
      await symlink(secret, join(volumes, 'shared/second'));
      const mounts = [
        bind(join(volumes, 'shared'), '/shared'),
        bind(join(volumes, 'shared'), '/shared/target'),
        bind(join(volumes, 'second'), '/loot'),
      ];
      return await outcome(target, 'cat /loot/key 2>&1', { mounts });
    },
    stopped: 'refused: make mount target',
    succeeded: 'the node’s secret',
  },
  {
    name: 'CVE-2024-45310: a mount target to be made through a link out of the root',
    defence: 'in-root',
    async attempt(target) {
      const { base } = target.node;
      const [shared, outside] = [join(base, 'shared'), join(base, 'outside')];
      for (const directory of [shared, outside]) await mkdir(directory);
      await symlink(outside, join(shared, 'link'));
      await writeFile(join(shared, 'made'), '');
      const mounts = [bind(shared, '/shared'), bind(join(shared, 'made'), '/shared/link/made')];
      await outcome(target, 'true', { mounts });
      return await content(outside, 'made');
    },
    stopped: 'not there',
    succeeded: /^$/,
  },
  {
    name: 'CVE-2019-19921: /proc behind a link to where a volume hides the masks, not what they mask',
    defence: 'real-standard-mounts',
    async attempt(target) {
      const root = await target.node.root();
      await mkdir(join(imageOf(root), 'bait'), { recursive: true });
      await symlink('/bait/to', join(imageOf(root), 'proc'));
      await symlink('/real', join(imageOf(root), 'bait/to'));
      await mkdir(join(imageOf(root), 'real'));
      await mkdir(join(target.node.base, 'empty'));
      const mounts = [bind(join(target.node.base, 'empty'), '/bait')];
      return await outcome(target, 'head -n 1 /real/interrupts', { root, mounts });
    },
    stopped: 'refused: resolve mount target',
    succeeded: /CPU0/,
  },
]);
