import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { ContainerSpec } from '../../contract.ts';
import type * as validate from '../../validate.ts';
import { Fields, Payload, TAG } from '../protocol.ts';
import { attacks, content, outcome, refusal, type Target } from './attack.ts';

/** Attacks through what a pod's author writes into the spec, and by where the runtime writes it to. */

/** Whether specs are taken without a look. */
let unchecked = false;

vi.mock('../../validate.ts', async (original) => {
  const real = await original<typeof validate>();
  return {
    ...real,
    validateSandbox: (...spec: Parameters<typeof real.validateSandbox>) =>
      unchecked ? undefined : real.validateSandbox(...spec),
    validateContainer: (...spec: Parameters<typeof real.validateContainer>) =>
      unchecked ? undefined : real.validateContainer(...spec),
  };
});

async function taken<T>(off: boolean, work: () => Promise<T>): Promise<T> {
  unchecked = off;
  try {
    return await work();
  } finally {
    unchecked = false;
  }
}

/** Makes a pod with that sysctl: `made`, or why not. */
async function pod({ node, runtime }: Target, name: string, value: string): Promise<string> {
  try {
    await node.sandbox(runtime, 'author', { sysctls: { [name]: value } });
    return 'made';
  } catch (error) {
    return refusal(error);
  }
}

const HEADER = 6;

/** From /proc/sys to a file of the test's. */
const climb = (base: string) => `net/../../..${join(base, 'owned')}`;

/** Fields nobody reads, `bytes` in all, of which none is above 127: it has to pass as text. */
function filler(bytes: number): Buffer {
  const payload = new Payload();
  for (let left = bytes; left > 0; ) {
    const length = Math.min(left - HEADER, 0x7f7f) & 0x7f7f;
    payload.bytes(0, Buffer.alloc(length));
    left -= HEADER + length;
  }
  return Buffer.from(payload.encode());
}

/** What such a container runs as: the id of the kind that /proc/self/status has it by. */
async function runsAs(target: Target, kind: 'Uid' | 'Gid' | 'Groups', change: Partial<ContainerSpec>) {
  const script = `grep ^${kind}: /proc/self/status`;
  return await taken(!target.defended, () => outcome(target, script, change));
}

/** Cut to the kernel's 32 bits it is 0. */
const WRAPPED = 2 ** 32;

attacks('settings', [
  {
    name: 'CVE-2024-40635: a user of 2^32, which is root when cut to 32 bits',
    attempt: (target) => runsAs(target, 'Uid', { uid: WRAPPED }),
    stopped: 'refused: InvalidSpec',
    succeeded: /^Uid:(\s+0){4}$/,
  },
  {
    name: 'CVE-2024-40635: the same with the group',
    attempt: (target) => runsAs(target, 'Gid', { uid: 1000, gid: WRAPPED }),
    stopped: 'refused: InvalidSpec',
    succeeded: /^Gid:(\s+0){4}$/,
  },
  {
    name: 'CVE-2024-40635: the same with a further group',
    attempt: (target) => runsAs(target, 'Groups', { uid: 1000, gid: 1000, additionalGids: [WRAPPED] }),
    stopped: 'refused: InvalidSpec',
    succeeded: /^Groups:\s*0$/,
  },
  {
    name: 'CVE-2022-0811: a parameter that is the whole node’s',
    async attempt(target) {
      // The value it has already: nothing of the machine may change.
      const value = (await readFile('/proc/sys/kernel/pid_max', 'utf8')).trim();
      return await taken(!target.defended, () => pod(target, 'kernel.pid_max', value));
    },
    stopped: 'refused: InvalidSpec',
    succeeded: 'made',
  },
  {
    name: 'CVE-2022-0811: a name that leads out of /proc/sys',
    without: ['procfs-checked'],
    async attempt(target) {
      const file = join(target.node.base, 'owned');
      await writeFile(file, '');
      const said = await taken(!target.defended, () => pod(target, climb(target.node.base), 'owned'));
      return `${said} ${await content(file)}`;
    },
    stopped: /^refused: InvalidSpec $/,
    succeeded: 'made owned',
  },
  {
    name: 'CVE-2022-0811: the same name where nobody looks at names',
    defence: 'procfs-checked',
    async attempt(target) {
      const file = join(target.node.base, 'owned');
      await writeFile(file, '');
      const said = await taken(true, () => pod(target, climb(target.node.base), 'owned'));
      return `${said} ${await content(file)}`;
    },
    stopped: /^refused: set sysctl $/,
    succeeded: 'made owned',
  },
  {
    name: 'CVE-2025-52881: a mount in /proc by which the runtime writes to other files',
    defence: 'procfs-checked',
    // In a mount namespace of the helper's own.
    before: `
      [ "$1" = inside ] || exec unshare -m "$0" inside "$@"
      shift; mkdir -p $base/fake/net/ipv4; : > $base/fake/net/ipv4/ip_default_ttl
      mount --bind $base/fake /proc/sys`,
    async attempt(target) {
      const said = await pod(target, 'net.ipv4.ip_default_ttl', '99');
      return `${said} ${await content(target.node.base, 'fake/net/ipv4/ip_default_ttl')}`;
    },
    stopped: /^refused: set sysctl $/,
    succeeded: 'made 99',
  },
  {
    name: 'CVE-2021-43784: a value of more than 65,535 bytes that goes on as fields of its own',
    defence: 'whole-lengths',
    async attempt(target) {
      const smuggled = Buffer.from(new Payload().number(TAG.CAPABILITIES, 1n << 21n).encode());
      // What a length cut to 16 bits still covers, then fields for the 65,536 bytes that it leaves over.
      const rest = filler(65_536 - smuggled.length);
      const value = Buffer.concat([Buffer.from('LONG=value'), smuggled, rest]).toString();
      const script = 'grep CapBnd /proc/self/status';
      return await taken(true, () =>
        outcome(target, script, { env: ['PATH=/bin', value], capabilities: [] }),
      );
    },
    stopped: /^CapBnd:\s+0000000000000000$/,
    succeeded: /^CapBnd:\s+0000000000200000$/,
  },
]);

test.each([65_534, 65_535, 65_536, 65_537, 131_072])(
  'CVE-2021-43784: a value of %i bytes is one value, and what follows it another',
  (length) => {
    const fields = new Fields(
      new Payload().bytes(TAG.ENV, Buffer.alloc(length, 31)).number(TAG.UID, 1000).encode(),
    );
    expect(fields.bytes(TAG.ENV)!.length).toBe(length);
    expect(fields.number(TAG.UID)).toBe(1000);
    expect(fields.has(31)).toBe(false);
  },
);
