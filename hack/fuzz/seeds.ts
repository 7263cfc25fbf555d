import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { containerSpec, sandboxSpec } from '#runtime/conformance.ts';
import { DEFAULT_CAPABILITIES } from '#runtime/native/capabilities.ts';
import type { CgroupLayout } from '#runtime/native/cgroup-layout.ts';
import { DEFAULT_MASKED_PATHS, DEFAULT_READ_ONLY_PATHS } from '#runtime/native/default-paths.ts';
import { encodeExec, encodeSandbox, encodeStart, type NodeFacts } from '#runtime/native/encode.ts';
import { encodeFrame, OP } from '#runtime/native/protocol.ts';
import { defaultSeccomp } from '#runtime/native/seccomp/index.ts';
import { tar } from '#runtime/native/test-tar.ts';

/** What the fuzzers start from: one input for each feature of a format, so that they need not guess it. */

const CGROUPS: CgroupLayout = {
  mode: 'v1',
  controllers: new Map(
    (['memory', 'cpu', 'cpuacct', 'pids', 'cpuset'] as const).map((name) => [name, `/sys/fs/cgroup/${name}`]),
  ),
  inUnified: new Set(),
  cpus: '0',
  mems: '0',
};

const FACTS: NodeFacts = {
  cgroups: CGROUPS,
  ociCgroups: CGROUPS,
  hierarchies: ['/sys/fs/cgroup/memory'],
  cgroupRoot: 'g',
  anchor: '/anchor',
  sharedMemory: '/shm',
  sharedProc: '/shared-proc',
  leastOomScoreAdj: 0,
  overlayLayersByFsconfig: true,
  appArmorFile: '/proc/self/attr/apparmor/exec',
};

function tars(): Uint8Array[] {
  const long = 'n'.repeat(200);
  return [
    tar({ path: 'a/', type: '5', mode: 0o755 }, { path: 'a/f', content: 'x'.repeat(600) }),
    tar({ path: 'l', type: '2', link: '/etc' }, { path: 'h', type: '1', link: 'a/f' }),
    tar({ path: 'd', type: '3', major: 1, minor: 3 }, { path: 'b', type: '4' }, { path: 'p', type: '6' }),
    tar({ path: 'a/.wh.gone' }, { path: 'a/.wh..wh..opq' }),
    tar({ path: '././@LongLink', type: 'L', content: `${long}\0` }, { path: 'cut', content: 'gnu' }),
    tar({ path: '././@LongLink', type: 'K', content: `${long}\0` }, { path: 'l', type: '2', link: 'cut' }),
    tar({
      path: 'p',
      content: 'pax',
      pax: { path: long, linkpath: 'l', size: '3', uid: '7', gid: '8', mtime: '-1.5' },
    }),
    tar({ path: 'x', pax: { 'SCHILY.xattr.user.a': 'b', 'SCHILY.xattr.security.capability': '\x01\x02' } }),
    tar({ path: 's', pax: { 'GNU.sparse.major': '1' } }, { path: 'S', type: 'S' }),
    tar({ path: 'g', type: 'g', content: '18 comment=global\n' }, { path: 'f', content: 'y' }),
    tar({ path: '7', type: '7', content: 'contiguous' }, { path: 'old', type: '\0' }),
    tar({ path: 'big', binary: true, uid: 300_000, mtime: -5, content: 'z' }),
  ];
}

/** Eight bytes that say which system calls fail, and frames. */
function frames(): Uint8Array[] {
  const sandbox = sandboxSpec('pod', '/logs');
  const options = ['lowerdir=/a:/b', 'upperdir=/u', 'workdir=/w'];
  const root = { type: 'overlay' as const, source: 'overlay', target: '/', options };
  const container = {
    ...containerSpec('c.0', root, '/logs/c.log', ['sh', '-c', 'true']),
    mounts: [{ type: 'bind' as const, source: '/v', target: '/data', options: ['rbind', 'ro', 'nolinks'] }],
    capabilities: [...DEFAULT_CAPABILITIES],
    seccomp: defaultSeccomp(DEFAULT_CAPABILITIES),
    maskedPaths: [...DEFAULT_MASKED_PATHS],
    readOnlyPaths: [...DEFAULT_READ_ONLY_PATHS],
    additionalGids: [5, 6],
    rlimits: [{ type: 'RLIMIT_NOFILE', soft: 100, hard: 200 }],
    readOnlyRoot: true,
    resources: { memoryBytes: 1 << 24, pids: 10, cpuShares: 100 },
  };
  const small = { ...container, seccomp: new Uint8Array(8), maskedPaths: ['/proc/kcore'], readOnlyPaths: [] };
  const payloads = [
    encodeFrame(OP.HELLO, 1),
    encodeFrame(OP.SANDBOX, 2, encodeSandbox(FACTS, sandbox, 'x.sock')),
    encodeFrame(OP.START, 3, encodeStart(FACTS, sandbox, container, '/exit')),
    encodeFrame(OP.START, 4, encodeStart(FACTS, sandbox, small, '/exit')),
    encodeFrame(
      OP.EXEC,
      5,
      encodeExec('c.0', { args: ['ls'], env: ['A=1', 'A=2'], tty: true, stdin: false }),
    ),
  ];
  return payloads.map((frame, index) => Buffer.concat([Buffer.alloc(8, index * 37 + 1), frame]));
}

/** Datagrams, each behind its length: messages of netlink. */
function netlinks(): Uint8Array[] {
  const message = (type: number, flags: number, body = 0) => {
    const bytes = Buffer.alloc(16 + body);
    bytes.writeUInt32LE(bytes.length, 0);
    bytes.writeUInt16LE(type, 4);
    bytes.writeUInt16LE(flags, 6);
    return bytes;
  };
  const datagram = (...messages: Buffer[]) => {
    const body = Buffer.concat(messages);
    return Buffer.concat([Buffer.from([body.length & 255, body.length >> 8]), body]);
  };
  const done = message(3, 2, 4);
  const part = message(16, 2, 16);
  return [
    datagram(message(2, 0, 4)),
    Buffer.concat([datagram(part, part), datagram(done)]),
    Buffer.concat([datagram(part), datagram(part)]),
  ];
}

export const SEEDS = { tar: tars, frame: frames, netlink: netlinks };
export type Target = keyof typeof SEEDS;

/** Writes the seeds of a target, one file each. */
export function writeSeeds(target: Target, directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const [index, seed] of SEEDS[target]().entries()) writeFileSync(join(directory, `${index}`), seed);
}
