import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../../conformance.ts';
import { attacks, bind, content, outcome, type Target } from './attack.ts';
import { buildAttacker } from './tools.ts';

/** Attacks by a container that exchanges names in a volume while another one of the same volume starts. */

const ROUNDS = 30;

/** `shared/target` is a directory and a link to `outside`, by turns, as fast as a container can exchange them. */
async function swapping(target: Target, outside: string): Promise<string> {
  const { node, runtime, pod } = target;
  const shared = join(node.base, 'volumes/shared');
  for (const directory of [shared, join(shared, 'target'), outside])
    await mkdir(directory, { recursive: true });
  await symlink(outside, join(shared, 'other'));
  buildAttacker(shared);
  const script = 'cd /shared && echo > begun && exec ./attacker swap target other';
  const mounts = [bind(shared, '/shared')];
  await runtime.startContainer(pod, await node.spec('swap.0', script, { mounts }));
  await eventually('it has begun', async () => (await content(shared, 'begun')) !== 'not there');
  return shared;
}

/** Tries until it works, or often enough. */
async function rounds(attempt: (round: number) => Promise<string>, works: RegExp): Promise<string> {
  const seen = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const said = await attempt(round);
    if (works.test(said)) return said;
    seen.add(said);
  }
  return `never: ${[...seen].sort().join(', ')}`;
}

attacks('races', [
  {
    name: 'CVE-2021-30465: the target of a mount exchanged for a link while the mount is made',
    defence: 'in-root',
    async attempt(target) {
      const { base } = target.node;
      const [volumes, secret] = [join(base, 'volumes'), join(base, 'secret')];
      await mkdir(join(volumes, 'second'), { recursive: true });
      await mkdir(secret);
      await writeFile(join(secret, 'key'), 'the node’s secret');
      const shared = await swapping(target, volumes);
      await symlink(secret, join(shared, 'second'));
      const mounts = [
        bind(shared, '/shared'),
        bind(shared, '/shared/target'),
        bind(join(volumes, 'second'), '/loot'),
      ];
      return await rounds(() => outcome(target, 'cat /loot/key 2>/dev/null', { mounts }), /secret/);
    },
    // Mounted where it belongs, or refused at the link, as it comes.
    stopped: /^never: /,
    succeeded: 'the node’s secret',
  },
  {
    name: 'CVE-2024-45310: a parent of the target exchanged for a link while what is missing is made',
    defence: 'in-root',
    async attempt(target) {
      const { base } = target.node;
      const outside = join(base, 'outside');
      const shared = await swapping(target, outside);
      const file = join(base, 'file');
      await writeFile(file, '');
      return await rounds(async (round) => {
        const mounts = [bind(shared, '/shared'), bind(file, `/shared/target/new/${round}`)];
        await outcome(target, 'true', { mounts });
        return (await content(outside, 'new', String(round))) === '' ? 'made outside' : 'nothing outside';
      }, /made/);
    },
    stopped: 'never: nothing outside',
    succeeded: 'made outside',
  },
]);
