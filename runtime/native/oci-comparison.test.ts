import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import type { ContainerSpec, ExecSpec, SandboxSpec } from '../contract.ts';
import { CAPABILITIES } from './capabilities.ts';
import type { NativeRuntime } from './index.ts';
import { nodeOfSuite, type TestNode, whyNoOci } from './test-root.ts';

/**
 * What a container finds around it must be the same whoever made it: the same questions are asked in one of ours and in one
 * of each OCI runtime. Where the answers differ on purpose the table says what theirs is, and why.
 */

const reason = whyNoOci();
const HANDLERS = ['runc', 'crun'] as const;
type Handler = (typeof HANDLERS)[number];

/** Lines that only one of them has, and why that is meant to be. */
interface Difference {
  /** The same in an exec. */
  question: string;
  handlers: readonly Handler[];
  ours?: RegExp;
  theirs?: RegExp;
  /** It is not always so. */
  sometimes?: boolean;
  why: string;
}

interface Situation {
  name: string;
  sandbox?: Partial<SandboxSpec>;
  container?: Partial<ContainerSpec>;
  /** Asked in an exec, too. */
  exec?: Partial<ExecSpec>;
  /** Shell commands by what they find out. */
  questions: Record<string, string>;
  differences?: Difference[];
}

const status = (names: string) => `grep -E "^(${names}):" /proc/self/status`;
const PRIVILEGES: Record<string, string> = {
  capabilities: status('CapInh|CapPrm|CapEff|CapBnd|CapAmb'),
  'seccomp and no_new_privs': status('NoNewPrivs|Seccomp|Seccomp_filters'),
  'user and groups': `id; ${status('Uid|Gid|Groups')}`,
  umask: 'umask',
  limits: 'cat /proc/self/limits',
  'oom score': 'cat /proc/self/oom_score_adj',
  signals: status('SigBlk|SigIgn|SigCgt|ShdPnd'),
  descriptors: 'ls /proc/self/fd',
  environment: 'env | busybox sort',
  'working directory': 'pwd',
  personality: 'cat /proc/self/timerslack_ns; busybox nice',
};

const SITUATIONS: Situation[] = [
  {
    name: 'the defaults',
    exec: {},
    questions: {
      ...PRIVILEGES,
      mounts: 'busybox awk \'{ if ($2 == "/") $4 = ""; print $2, $3, $4 }\' /proc/mounts | busybox sort',
      devices: 'busybox find /dev -mindepth 1 -exec stat -c "%n %F %a %t:%T %u:%g" {} + | busybox sort',
      links: 'for l in /dev/fd /dev/stdin /dev/stdout /dev/stderr /dev/ptmx; do busybox readlink $l; done',
      'masked paths':
        'for p in acpi asound interrupts kcore keys latency_stats sched_debug scsi timer_list timer_stats; do test -e /proc/$p && (echo $p; test -d /proc/$p && ls /proc/$p || wc -c < /proc/$p); done; ls /sys/firmware /sys/devices/virtual/powercap',
      'read-only paths':
        'for p in bus fs irq sys; do touch /proc/$p/x; done; echo 1 > /proc/sysrq-trigger; echo 1 > /proc/sys/kernel/panic; true',
      'a mask cannot be changed': 'chmod 0 /proc/keys; echo x > /proc/keys; stat -c %a /proc/keys',
      cgroups: 'cat /proc/self/cgroup | busybox sed "s/^[0-9]*://" | busybox sort',
      'cgroups are read-only':
        'for d in /sys/fs/cgroup/*; do test -d $d && mkdir $d/x 2>&1 | busybox sed "s,/sys/fs/cgroup/[^/]*,,"; done | busybox sort -u',
      network: 'ls /sys/class/net; cat /sys/class/net/lo/flags; hostname',
      'the first process': 'cat /proc/1/comm; test $$ -lt 40; echo $?',
      'mounting is refused': 'mount -t tmpfs none /tmp; mount -t proc proc /tmp; umount /proc; echo $?',
      'namespaces are refused': 'for n in U m p n i u; do busybox unshare -$n true; echo $?; done',
      'a device of the node opens nothing':
        'for at in /tmp /dev/shm /; do mknod $at/disk b 254 0 && head -c 1 $at/disk | wc -c; done',
      'a node made in /dev opens nothing': 'mknod /dev/disk b 254 0; head -c 1 /dev/disk | wc -c',
      'a standard device again': 'mknod /tmp/zero c 1 5 && head -c 1 /tmp/zero | wc -c',
      'devices work':
        'head -c 3 /dev/zero | wc -c; echo x > /dev/null; echo x > /dev/full; head -c 4 /dev/urandom | wc -c',
      'ptmx opens': 'busybox sh -c "exec 3<>/dev/ptmx && ls /dev/pts"',
    },
    differences: [
      {
        question: 'environment',
        handlers: HANDLERS,
        theirs: /^HOME=/,
        why: "theirs look it up in the image's passwd; here the node agent does, and sets it for every container",
      },
      {
        question: 'mounts',
        handlers: HANDLERS,
        ours: /^\/dev(\/(full|null|random|tty|urandom|zero))? tmpfs /,
        theirs: /^\/dev tmpfs rw,nosuid,relatime,/,
        why: 'our /dev is nodev, and each standard device has a mount of its own; theirs leave the rest to the devices cgroup',
      },
      {
        question: 'mounts',
        handlers: HANDLERS,
        ours: /^\/(proc\/(acpi|interrupts|kcore|keys|timer_list)|sys\/firmware) \w+ ro,nosuid,(nodev,)?noexec/,
        theirs: /^\/(proc\/(acpi|interrupts|kcore|keys|timer_list)|sys\/firmware) (tmpfs|devtmpfs) /,
        why: "their masks lack nosuid, nodev and noexec; runc's are the container's own /dev/null, and can be written",
      },
      {
        question: 'mounts',
        handlers: ['crun'],
        ours: /^\/proc\/(bus|fs|irq|sys|sysrq-trigger) proc ro,nosuid,nodev,noexec/,
        theirs: /^\/proc\/(bus|fs|irq|sys|sysrq-trigger) proc ro,relatime$/,
        why: 'crun 1.8 forgets the other flags of /proc when it makes a part of it read-only',
      },
      {
        question: 'devices',
        handlers: ['crun'],
        theirs: /^\/dev\/core symbolic link /,
        why: 'a link to /proc/kcore, which is masked',
      },
      {
        question: 'devices',
        handlers: ['runc'],
        theirs: /^\/dev\/core symbolic link /,
        sometimes: true,
        why: 'the same, where the kernel has it',
      },
      {
        question: 'a mask cannot be changed',
        handlers: ['runc'],
        ours: /Read-only file system$|^666$/,
        theirs: /^0$/,
        why: "runc 1.1 covers with the container's own /dev/null (the node's is out of reach); ours is read-only",
      },
      {
        question: 'a device of the node opens nothing',
        handlers: ['crun'],
        ours: /Permission denied$/,
        theirs: /Operation not permitted$/,
        why: "the devices cgroup refuses it: crun's root is not nodev",
      },
      {
        question: 'a node made in /dev opens nothing',
        handlers: HANDLERS,
        ours: /Permission denied$/,
        theirs: /Operation not permitted$/,
        why: 'the devices cgroup refuses it: their /dev is not nodev',
      },
      {
        question: 'a standard device again',
        handlers: ['crun'],
        ours: /Permission denied$|^0$/,
        theirs: /^1$/,
        why: "the devices cgroup allows the standard devices under any name, and crun's root is not nodev",
      },
    ],
  },
  {
    name: 'another user',
    container: {
      ...{ uid: 1234, gid: 5678, additionalGids: [9, 10], noNewPrivileges: true, cwd: '/tmp' },
      rlimits: [
        { type: 'RLIMIT_NOFILE', soft: 100, hard: 200 },
        { type: 'RLIMIT_CORE', soft: -1, hard: -1 },
      ],
      oomScoreAdj: 987,
      env: ['PATH=/bin', 'TWICE=1', 'EMPTY=', 'TWICE=2', 'HOME=/tmp'],
    },
    exec: { env: ['TWICE=3', 'MORE=x=y'] },
    questions: {
      ...PRIVILEGES,
      'stdio may be opened again': 'echo out > /dev/stdout; echo err > /dev/stderr',
      'writing as another': 'touch /x /tmp/y; stat -c %u:%g /tmp/y',
    },
    differences: [
      {
        question: 'limits',
        handlers: ['runc'],
        ours: /^Max open files +100 +200 /,
        theirs: /^Max open files +200 +200 /,
        sometimes: true,
        why: 'Go raises the soft limit of runc itself, and runc 1.1 may hand that on to an exec',
      },
    ],
  },
  {
    name: 'a privileged container',
    container: {
      ...{ capabilities: [...CAPABILITIES], seccomp: undefined, maskedPaths: [], readOnlyPaths: [] },
      devices: 'all',
    },
    questions: {
      capabilities: PRIVILEGES['capabilities']!,
      seccomp: status('Seccomp'),
      'mounting works': 'mount -t tmpfs none /tmp && echo mounted',
      'nothing is masked': 'test -s /proc/keys; echo $?; mount | grep -c "^[a-z]* on /proc/"',
    },
  },
  {
    name: 'a read-only root',
    container: {
      readOnlyRoot: true,
      mounts: [
        { type: 'tmpfs', source: 'tmpfs', target: '/tmp', options: ['size=1m', 'mode=1777'] },
        { type: 'bind', source: '/etc', target: '/made/for/it', options: ['rbind', 'rro'] },
      ],
    },
    questions: {
      root: 'touch /x; mkdir /etc/y; touch /tmp/z && echo written',
      tmpfs:
        'busybox df -k /tmp | busybox awk "NR == 2 { print \\$2 }"; stat -c %a /tmp; mknod /tmp/zero c 1 5; head -c 1 /tmp/zero | wc -c',
      'a volume': 'ls /made/for/it | grep -c passwd; touch /made/for/it/x',
    },
  },
  {
    name: 'limits',
    container: {
      resources: {
        memoryBytes: 64 << 20,
        cpuShares: 512,
        cpuQuotaUs: 50_000,
        cpuPeriodUs: 100_000,
        pids: 32,
      },
    },
    questions: {
      'are seen in the container':
        'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us pids/pids.max 2>/dev/null || cat memory.max cpu.weight cpu.max pids.max',
    },
  },
  {
    name: 'shared pids',
    sandbox: { sharedPid: true },
    exec: {},
    questions: {
      'not pid 1': 'test $$ -ne 1; echo $?',
      'the first process': 'cat /proc/1/comm; grep CapPrm /proc/1/status',
    },
  },
  {
    name: "the node's namespaces",
    sandbox: { namespaces: { network: 'node', pid: 'node', ipc: 'node' } },
    questions: {
      namespaces: 'for n in net pid ipc uts user; do stat -c %N /proc/self/ns/$n; done',
      'host name': 'hostname',
      'shared memory': 'busybox awk \'$2 == "/dev/shm" { print $3, $4 }\' /proc/mounts',
    },
  },
  {
    name: 'a terminal',
    container: { tty: true, stdin: 'open' },
    exec: { tty: true, stdin: true, size: { columns: 91, rows: 37 } },
    questions: {
      terminal: 'tty; stat -c "%F %t:%T" /dev/console; stty -a | head -n 1 | busybox sed "s/rows.*//"',
      owner: 'stat -c "%u:%g %a" $(tty)',
      session: "busybox awk '{ print $6 == $1 || $6 > 0, $8 }' /proc/self/stat",
    },
  },
];

describe.skipIf(reason !== undefined)(
  `a container is the same whoever makes it (${reason ?? 'as root'})`,
  () => {
    let node: TestNode;
    let runtime: NativeRuntime;
    let pods = 0;

    nodeOfSuite(
      (made, opened) => {
        [node, runtime] = [made, opened];
      },
      { handlers: true },
    );

    async function answers(situation: Situation, handler: string): Promise<Record<string, string>> {
      const entries = Object.entries(situation.questions);
      const script = entries.map(([, question]) => `echo @@@; (${question}) 2>&1`).join('\n');
      const id = `pod-${pods++}`;
      await node.sandbox(runtime, id, {
        hostname: 'same',
        ...situation.sandbox,
        ...(handler && { handler }),
      });
      const { output } = await node.run(runtime, id, script, situation.container);
      const found = collect(entries, output);
      if (situation.exec) {
        const main = await node.spec('main.0', 'exec sleep 600', situation.container);
        await runtime.startContainer(id, main);
        const args = ['sh', '-c', script];
        const streams = await runtime.exec(id, 'main.0', {
          args,
          tty: false,
          stdin: false,
          ...situation.exec,
        });
        streams.stderr.resume();
        Object.assign(found, collect(entries, await text(streams.stdout), 'exec: '));
      }
      await runtime.removeSandbox(id);
      return found;
    }

    function collect(entries: [string, string][], output: string, prefix = ''): Record<string, string> {
      const parts = output
        .replaceAll('\r', '')
        .split(/^@@@\n?/m)
        .slice(1);
      expect(parts.length).toBe(entries.length);
      return Object.fromEntries(entries.map(([name], index) => [`${prefix}${name}`, parts[index]!.trim()]));
    }

    test.each(SITUATIONS)('$name', async (situation) => {
      const ours = await answers(situation, '');
      for (const handler of HANDLERS) {
        const theirs = await answers(situation, handler);
        const allowed = (situation.differences ?? []).filter(({ handlers }) => handlers.includes(handler));
        const seen = new Set<Difference>();
        for (const name of Object.keys(ours)) {
          const about = allowed.filter(({ question }) => question === name.replace(/^exec: /, ''));
          const left = (lines: string[], side: 'ours' | 'theirs') =>
            lines.filter((line) => {
              const known = about.find((difference) => difference[side]?.test(line));
              if (known) seen.add(known);
              return !known;
            });
          const [a, b] = [ours[name]!.split('\n'), theirs[name]!.split('\n')];
          const onlyOurs = left(without(a, b), 'ours');
          const onlyTheirs = left(without(b, a), 'theirs');
          expect({ onlyOurs, onlyTheirs }, `${handler}: ${name}`).toEqual({ onlyOurs: [], onlyTheirs: [] });
        }
        // What is not true any more must not stay in the table.
        const lasting = allowed.filter(({ sometimes }) => !sometimes);
        expect([...seen], handler).toEqual(expect.arrayContaining(lasting));
      }
    });
  },
);

/** Lines of `a` that `b` has not, or not as often. */
function without(a: readonly string[], b: readonly string[]): string[] {
  const left = [...b];
  return a.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}
