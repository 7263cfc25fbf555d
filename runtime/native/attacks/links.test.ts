import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerSpec } from '../../contract.ts';
import { attacks, bind, content, imageOf, outcome, type Target } from './attack.ts';

/** Attacks by links that an image or a volume holds where the runtime mounts. */

/**
 * An image whose `/<name>` is a link by way of /bait to /real, and a volume over /bait that leads elsewhere: what is mounted first
 * lies at /real, and nothing that is done to `/<name>` later gets there.
 */
async function linked({ node }: Target, name: string): Promise<Partial<ContainerSpec>> {
  const root = await node.root();
  const image = imageOf(root);
  for (const directory of ['bait', 'real']) await mkdir(join(image, directory));
  await symlink('/bait/to', join(image, name));
  await symlink('/real', join(image, 'bait/to'));
  await mkdir(join(node.base, 'bait'));
  return { root, mounts: [bind(join(node.base, 'bait'), '/bait')] };
}

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
    name: 'CVE-2022-23648: a volume at a path that an image leads to a directory of the node',
    defence: 'in-root',
    async attempt(target) {
      const { base } = target.node;
      const [root, outside] = [await target.node.root(), join(base, 'outside')];
      await mkdir(outside);
      await symlink(outside, join(imageOf(root), 'data'));
      await writeFile(join(base, 'made'), '');
      // What the image holds there is copied nowhere: the mount is all that its path is used for.
      await outcome(target, 'true', { root, mounts: [bind(join(base, 'made'), '/data/made')] });
      return await content(outside, 'made');
    },
    stopped: 'not there',
    succeeded: /^$/,
  },
  {
    name: 'CVE-2019-19921: /proc behind a link, and what its masks hide within reach',
    defence: 'real-standard-mounts',
    async attempt(target) {
      return await outcome(target, 'head -n 1 /real/interrupts', await linked(target, 'proc'));
    },
    stopped: 'refused: resolve mount target',
    succeeded: /CPU0/,
  },
  {
    name: 'CVE-2023-27561: the same, to write what is read-only in /proc/sys',
    defence: 'real-standard-mounts',
    async attempt(target) {
      const change = await linked(target, 'proc');
      // The pod's own setting: what is tried here must not reach the machine.
      const setting = '/real/sys/net/ipv4/ip_default_ttl';
      return await outcome(target, `echo 77 > ${setting}; cat ${setting}`, change);
    },
    stopped: 'refused: resolve mount target',
    succeeded: /^77$/,
  },
  {
    name: 'CVE-2023-28642: /sys behind a link, and what its masks hide within reach',
    defence: 'real-standard-mounts',
    async attempt(target) {
      return await outcome(target, 'ls /real/firmware', await linked(target, 'sys'));
    },
    stopped: 'refused: resolve mount target',
    succeeded: /acpi|memmap|efi/,
  },
  {
    name: 'CVE-2019-16884: a volume that an image has mounted over /proc, where the label of a process is written',
    defence: 'procfs-targets',
    async attempt(target) {
      const fake = join(target.node.base, 'fake');
      await mkdir(join(fake, 'self/attr'), { recursive: true });
      await writeFile(join(fake, 'self/attr/exec'), 'the image’s own');
      return await outcome(target, 'cat /proc/self/attr/exec', { mounts: [bind(fake, '/proc')] });
    },
    stopped: 'refused: mount target',
    succeeded: 'the image’s own',
  },
  {
    name: 'CVE-2019-16884: the same through a link of the image',
    defence: 'procfs-targets',
    async attempt(target) {
      const root = await target.node.root();
      await symlink('/proc/sys', join(imageOf(root), 'data'));
      await mkdir(join(target.node.base, 'fake'));
      await writeFile(join(target.node.base, 'fake/kernel'), 'the image’s own');
      const mounts = [bind(join(target.node.base, 'fake'), '/data')];
      return await outcome(target, 'cat /proc/sys/kernel', { root, mounts });
    },
    stopped: 'refused: mount target',
    succeeded: 'the image’s own',
  },
  {
    name: 'CVE-2025-31133: a /dev/null that is a link to what it is to mask',
    defence: 'node-null',
    async attempt(target) {
      const devices = join(target.node.base, 'devices');
      await mkdir(devices);
      await symlink('/proc/interrupts', join(devices, 'null'));
      // With its input open it needs no /dev/null for it.
      const change = { mounts: [bind(devices, '/dev')], stdin: 'open' as const };
      return `read ${(await outcome(target, 'head -n 1 /proc/interrupts', change)).slice(0, 20)}`;
    },
    stopped: /^read $/,
    succeeded: /CPU0/,
  },
  {
    name: 'CVE-2025-52565: a /dev/console that is a link into /proc, over which the terminal is mounted',
    defence: 'real-console',
    without: ['real-standard-mounts', 'real-terminal'],
    async attempt(target) {
      const change = await linked(target, 'dev');
      const devices = join(target.node.base, 'bait/to');
      await mkdir(devices);
      await symlink('/real/pts', join(devices, 'pts'));
      await symlink('/proc/version', join(devices, 'console'));
      return await outcome(target, 'stat -c %F /proc/version', { ...change, tty: true });
    },
    stopped: 'refused: resolve mount target',
    succeeded: /character special file/,
  },
  {
    name: 'CVE-2025-52565: a terminal whose name is a link into /proc, which is mounted as /dev/console',
    defence: 'terminal-by-descriptor',
    without: ['real-standard-mounts', 'real-terminal', 'real-console'],
    async attempt(target) {
      const change = await linked(target, 'dev');
      const terminals = join(target.node.base, 'bait/to/pts');
      await mkdir(terminals, { recursive: true });
      await symlink('/real/pts/ptmx', join(terminals, 'ptmx'));
      await symlink('/proc/sys/kernel/ostype', join(terminals, '0'));
      return await outcome(target, 'stat -c %F /dev/console; test -c /dev/console || cat /dev/console', {
        ...change,
        tty: true,
      });
    },
    stopped: /character special file/,
    succeeded: /regular.*file\s+Linux/,
  },
]);
