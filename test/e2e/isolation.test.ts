import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '#api/objects.ts';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { statusOf, TestPods } from '../harness/pods.ts';

/** What a container may and may not do: each line of the promise, looked at from inside. */
describe.skipIf(whyNoHost())('isolation', () => {
  const cluster = new TestCluster();

  beforeAll(async () => {
    await cluster.start();
    await cluster.loadImages(['gantry/busybox:1']);
  });
  afterAll(async () => {
    expect(await cluster.destroy()).toEqual([]);
  });

  const pods = new TestPods(cluster);
  const { container } = pods;
  const create = (name: string, spec: object) => pods.create(name, spec);
  const ready = (name: string) => pods.ready(name);
  const sh = (pod: string, script: string) => pods.sh(pod, script);
  const until = (name: string, look: (pod: Pod) => boolean) => pods.until(name, look);

  describe('inside a plain container', () => {
    beforeAll(async () => {
      await create('plain', { containers: [container('exec sleep 1000')] });
      await ready('plain');
    });

    test('its processes are its own: the first one is its program', async () => {
      expect(await sh('plain', 'cat /proc/1/cmdline | tr "\\0" " "')).toBe('sleep 1000');
      expect(Number(await sh('plain', 'ls -d /proc/[0-9]* | wc -l'))).toBeLessThan(6);
    });

    test('every namespace differs from the node', async () => {
      for (const name of ['pid', 'mnt', 'net', 'uts', 'ipc', 'cgroup']) {
        const mine = (await cluster.inside('readlink', [`/proc/self/ns/${name}`])).stdout.trim();
        expect(await sh('plain', `readlink /proc/self/ns/${name}`)).not.toBe(mine);
      }
    });

    test('the host name is the name of the pod', async () => {
      expect(await sh('plain', 'hostname; cat /etc/hostname')).toBe('plain\nplain');
    });

    test('the root is an overlay, written files stay in it', async () => {
      expect(await sh('plain', 'awk \'$2 == "/" { print $3 }\' /proc/mounts')).toBe('overlay');
      expect(await sh('plain', 'echo kept > /file && cat /file')).toBe('kept');
    });

    test.each(['/proc/kcore', '/proc/keys', '/proc/timer_list', '/sys/firmware', '/proc/scsi'])(
      '%s is masked',
      async (path) => {
        expect(
          await sh(
            'plain',
            `[ -e ${path} ] || { echo none; exit 0; }; if [ -d ${path} ]; then ls ${path} | wc -l; else wc -c < ${path}; fi`,
          ),
        ).toMatch(/^(0|none)$/);
      },
    );

    test.each(['/proc/sys/kernel/hostname', '/proc/sysrq-trigger', '/sys/kernel/uevent_helper'])(
      '%s cannot be written',
      async (path) => {
        expect(
          await sh('plain', `[ -e ${path} ] && echo x > ${path} 2>/dev/null && echo written || echo refused`),
        ).toBe('refused');
      },
    );

    test('it has the default capabilities, no more', async () => {
      expect(await sh('plain', "awk '/^Cap(Inh|Prm|Eff|Bnd|Amb)/ { print $1 $2 }' /proc/1/status")).toBe(
        [
          'CapInh:0000000000000000',
          'CapPrm:00000000a80425fb',
          'CapEff:00000000a80425fb',
          'CapBnd:00000000a80425fb',
          'CapAmb:0000000000000000',
        ].join('\n'),
      );
    });

    test('a seccomp filter is on, and refuses what the default profile refuses', async () => {
      expect(await sh('plain', "awk '/^Seccomp:/ { print $2 }' /proc/1/status")).toBe('2');
      expect(await sh('plain', 'unshare -r true >/dev/null 2>&1 && echo allowed || echo refused')).toBe(
        'refused',
      );
      expect(await sh('plain', 'mount -t tmpfs none /tmp 2>/dev/null && echo allowed || echo refused')).toBe(
        'refused',
      );
    });

    test('it has only the standard devices', async () => {
      expect(await sh('plain', 'ls /dev | tr "\\n" " "')).toBe(
        'fd full mqueue null ptmx pts random shm stderr stdin stdout termination-log tty urandom zero',
      );
      expect(
        await sh(
          'plain',
          'mknod /tmp/disk b 254 0 2>/dev/null; cat /tmp/disk 2>/dev/null >/dev/null && echo read || echo refused',
        ),
      ).toBe('refused');
    });

    test('no file of the node is open in it', async () => {
      expect(await sh('plain', 'ls -l /proc/1/fd | grep -v -e total -e pipe -e /dev/null | wc -l')).toBe('0');
    });
  });

  test('a user that is not root stays it', async () => {
    await create('user', {
      securityContext: { runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000, runAsNonRoot: true },
      containers: [
        container('exec sleep 1000', {
          securityContext: { allowPrivilegeEscalation: false },
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        }),
      ],
      volumes: [{ name: 'v', emptyDir: {} }],
    });
    await ready('user');
    expect(await sh('user', 'id -u; id -g; id -G')).toBe('1000\n3000\n3000 2000');
    expect(await sh('user', "awk '/^(CapEff|NoNewPrivs):/ { print $2 }' /proc/1/status")).toBe(
      '0000000000000000\n1',
    );
    expect(await sh('user', 'touch /v/mine && ls -ln /v/mine | tr -s " " | cut -d " " -f 3,4')).toBe(
      '1000 2000',
    );
    expect(await sh('user', 'touch /root/x 2>/dev/null && echo written || echo refused')).toBe('refused');
  });

  test('an image that runs as root is refused when the pod says non-root', async () => {
    await create('no-root', { securityContext: { runAsNonRoot: true }, containers: [container('true')] });
    const pod = await until(
      'no-root',
      (pod) => statusOf(pod)?.state?.waiting?.reason === 'CreateContainerConfigError',
    );
    expect(statusOf(pod)?.state?.waiting?.message).toContain(
      'container has runAsNonRoot and image will run as root',
    );
  });

  test('a read-only root cannot be written', async () => {
    await create('read-only', {
      containers: [container('exec sleep 1000', { securityContext: { readOnlyRootFilesystem: true } })],
    });
    await ready('read-only');
    expect(await sh('read-only', 'touch /x 2>/dev/null && echo written || echo refused')).toBe('refused');
  });

  test('who eats too much memory is killed, and it is said', async () => {
    await create('eater', {
      restartPolicy: 'Never',
      containers: [
        container(
          'tail -c 200m /dev/zero | tail > /dev/null; x=$(head -c 120m /dev/zero | tr "\\0" x); echo $x | wc -c',
          { resources: { limits: { memory: '32Mi' } } },
        ),
      ],
    });
    const pod = await until('eater', (pod) => statusOf(pod)?.state?.terminated !== undefined);
    expect(statusOf(pod)?.state?.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
  });

  test('the limits are those of the cgroup', async () => {
    await create('limits', {
      containers: [container('exec sleep 1000', { resources: { limits: { memory: '48Mi', cpu: '250m' } } })],
    });
    await ready('limits');
    const limits = await sh(
      'limits',
      'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max',
    );
    expect(limits.split('\n').slice(0, 2)).toEqual([
      String(48 * 1024 * 1024),
      expect.stringMatching(/^25000\b/),
    ]);
  });

  test('a fork bomb ends at the limit of processes of its pod', async () => {
    await create('bomb', {
      restartPolicy: 'Never',
      containers: [container('i=0; while sleep 60 & do i=$((i+1)); echo $i; [ $i -lt 6000 ] || exit; done')],
    });
    const pod = await until('bomb', (pod) => statusOf(pod)?.state?.terminated !== undefined);
    expect(statusOf(pod)?.state?.terminated?.exitCode).not.toBe(0);
    const log = await cluster.must(['logs', 'bomb', '--tail=2']);
    expect(log).toMatch(/can't fork|Resource temporarily unavailable/);
    expect(Number(/^\d+/.exec(log)![0])).toBeGreaterThan(1000);
    expect(Number(/^\d+/.exec(log)![0])).toBeLessThanOrEqual(4096);
    await cluster.must(['delete', 'pod', 'bomb', '--timeout=30s']);
  });

  test.each([
    ['true', 0, 'Completed'],
    ['exit 3', 3, 'Error'],
    // A double `$` in a command is one: Kubernetes expands $(NAME) there.
    ["sh -c 'kill -9 $$$$'; exit $?", 137, 'Error'],
    ["sh -c 'kill -15 $$$$'; exit $?", 143, 'Error'],
  ])('`%s` ends with %i, %s', async (script, exitCode, reason) => {
    const name = `exit-${exitCode}`;
    await create(name, { restartPolicy: 'Never', containers: [container(script)] });
    const pod = await until(name, (pod) => statusOf(pod)?.state?.terminated !== undefined);
    expect(statusOf(pod)?.state?.terminated).toMatchObject({ exitCode, reason });
  });

  test('what fails is started again, later each time', async () => {
    await create('crash', { containers: [container('echo failing >&2; exit 1')] });
    const pod = await until('crash', (pod) => statusOf(pod)?.state?.waiting?.reason === 'CrashLoopBackOff');
    expect(statusOf(pod)?.restartCount).toBeGreaterThan(0);
    expect(statusOf(pod)?.lastState?.terminated?.exitCode).toBe(1);
  });

  test('a command that does not exist is said by name', async () => {
    await create('nosuch', {
      restartPolicy: 'Never',
      containers: [{ ...container(''), command: ['/no/such/program'] }],
    });
    const pod = await until(
      'nosuch',
      (pod) => (statusOf(pod)?.state?.terminated ?? statusOf(pod)?.state?.waiting?.message) !== undefined,
    );
    expect(JSON.stringify(statusOf(pod)?.state)).toContain('/no/such/program');
  });

  test('who ignores SIGTERM is killed when the grace period is over', async () => {
    await create('stubborn', {
      terminationGracePeriodSeconds: 2,
      containers: [container('trap "" TERM; while true; do sleep 1; done')],
    });
    await ready('stubborn');
    const started = Date.now();
    await cluster.must(['delete', 'pod', 'stubborn', '--timeout=30s']);
    expect(Date.now() - started).toBeGreaterThan(1_500);
  });

  test('who handles SIGTERM ends at once', async () => {
    await create('polite', {
      terminationGracePeriodSeconds: 25,
      containers: [container('trap "exit 0" TERM; while true; do sleep 0.1; done')],
    });
    await ready('polite');
    const started = Date.now();
    await cluster.must(['delete', 'pod', 'polite', '--timeout=30s']);
    expect(Date.now() - started).toBeLessThan(15_000);
  });

  test('init containers come first, one after the other', async () => {
    await create('init', {
      initContainers: ['one', 'two'].map((name) => ({
        ...container(`echo ${name} >> /v/order`, { volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
        name,
      })),
      containers: [container('exec sleep 1000', { volumeMounts: [{ name: 'v', mountPath: '/v' }] })],
      volumes: [{ name: 'v', emptyDir: {} }],
    });
    await ready('init');
    expect(await sh('init', 'cat /v/order')).toBe('one\ntwo');
  });

  describe('what a pod may ask for', () => {
    const capabilitiesOf = (pod: string) => sh(pod, "awk '/^CapEff/ { print $2 }' /proc/1/status");

    test('capabilities: some more, some less, none, all', async () => {
      const asking = (capabilities: object) => ({
        containers: [container('exec sleep 1000', { securityContext: { capabilities } })],
      });
      await pods.run('more', asking({ add: ['NET_ADMIN'], drop: ['MKNOD'] }));
      // The default a80425fb with bit 12 and without bit 27.
      expect(await capabilitiesOf('more')).toBe('00000000a00435fb');
      expect(await sh('more', 'ip link add b type bridge && ip -o link show b | wc -l')).toBe('1');
      await pods.run('none', asking({ drop: ['ALL'] }));
      expect(await capabilitiesOf('none')).toBe('0000000000000000');
      expect(await sh('none', 'chown 1:1 /tmp 2>/dev/null && echo changed || echo refused')).toBe('refused');
      await pods.run('one', asking({ drop: ['ALL'], add: ['CHOWN'] }));
      expect(await capabilitiesOf('one')).toBe('0000000000000001');
    });

    test('a command in a container has no more than the container', async () => {
      const status = "awk '/^(CapEff|CapBnd|Seccomp|NoNewPrivs):/ { print $1 $2 }'";
      expect(await sh('one', `${status} /proc/self/status`)).toBe(
        await sh('one', `${status} /proc/1/status`),
      );
      expect(await sh('user', 'id -u; id -g; id -G')).toBe('1000\n3000\n3000 2000');
    });

    test('a capability that does not exist is refused by name', async () => {
      await create('unknown', {
        containers: [container('true', { securityContext: { capabilities: { add: ['FLY'] } } })],
      });
      const pod = await until('unknown', (found) => statusOf(found)?.state?.waiting?.message !== undefined);
      expect(statusOf(pod)?.state?.waiting).toMatchObject({ reason: 'CreateContainerError' });
      expect(statusOf(pod)?.state?.waiting?.message).toContain('CAP_FLY');
    });

    test('seccomp Unconfined: no filter; RuntimeDefault: the filter everybody has', async () => {
      const profile = (type: string) => ({
        containers: [container('exec sleep 1000', { securityContext: { seccompProfile: { type } } })],
      });
      await pods.run('unconfined', profile('Unconfined'));
      expect(await sh('unconfined', "awk '/^Seccomp:/ { print $2 }' /proc/1/status")).toBe('0');
      expect(await sh('unconfined', 'unshare -r true >/dev/null 2>&1 && echo allowed || echo refused')).toBe(
        'allowed',
      );
      await pods.run('confined', profile('RuntimeDefault'));
      expect(await sh('confined', "awk '/^Seccomp:/ { print $2 }' /proc/1/status")).toBe('2');
    });

    test('privileged: everything but what is not in its namespaces', async () => {
      await pods.run('privileged', {
        containers: [container('exec sleep 1000', { securityContext: { privileged: true } })],
      });
      expect(
        await sh('privileged', 'mkdir /mnt && mount -t tmpfs none /mnt && grep -c " /mnt " /proc/mounts'),
      ).toBe('1');
      expect(await sh('privileged', "awk '/^Seccomp:/ { print $2 }' /proc/1/status")).toBe('0');
      expect(await sh('privileged', 'cat /proc/1/cmdline | tr "\\0" " "')).toBe('sleep 1000');
      await pods.delete('privileged');
    });

    test('containers of a pod share network, IPC and host name, not processes or files', async () => {
      const two = ['one', 'two'].map((name) => ({ ...container('exec sleep 1000'), name }));
      await pods.run('shared', { containers: two });
      const inOf = async (name: string, script: string) =>
        (await cluster.must(['exec', 'shared', '-c', name, '--', 'sh', '-c', script])).trim();
      for (const space of ['net', 'ipc', 'uts']) {
        expect(await inOf('one', `readlink /proc/self/ns/${space}`)).toBe(
          await inOf('two', `readlink /proc/self/ns/${space}`),
        );
      }
      for (const space of ['pid', 'mnt']) {
        expect(await inOf('one', `readlink /proc/self/ns/${space}`)).not.toBe(
          await inOf('two', `readlink /proc/self/ns/${space}`),
        );
      }
      await inOf('one', 'echo x > /tmp/x; echo y > /dev/shm/y');
      expect(await inOf('two', 'cat /tmp/x 2>/dev/null || echo none; cat /dev/shm/y')).toBe('none\ny');
      expect(await cluster.inside('ls', ['/dev/shm/y'])).toMatchObject({ code: 2 });
    });

    test('shareProcessNamespace: containers see each other, and the pod goes on when one of them ends', async () => {
      await pods.run('processes', {
        shareProcessNamespace: true,
        containers: [
          { ...container('exec sleep 1111'), name: 'one' },
          { ...container('exec sleep 2222'), name: 'two' },
        ],
      });
      const seen = await cluster.must(['exec', 'processes', '-c', 'one', '--', 'ps', '-o', 'args']);
      expect(seen).toContain('sleep 1111');
      expect(seen).toContain('sleep 2222');
      await cluster.must([
        'exec',
        'processes',
        '-c',
        'one',
        '--',
        'sh',
        '-c',
        "kill -9 $(ps -o pid,args | awk '/[s]leep 2222/ { print $1 }')",
      ]);
      const pod = await until('processes', (found) =>
        (found.status?.containerStatuses ?? []).some(({ restartCount }) => restartCount > 0),
      );
      const restarted = pod.status?.containerStatuses?.filter(({ restartCount }) => restartCount > 0);
      expect(restarted?.map(({ name }) => name)).toEqual(['two']);
    });

    test('hostPID shows the processes of the node', async () => {
      await pods.run('host-pid', { hostPID: true, containers: [container('exec sleep 1000')] });
      expect(await sh('host-pid', 'readlink /proc/self/ns/pid')).toBe(
        (await cluster.inside('readlink', ['/proc/self/ns/pid'])).stdout.trim(),
      );
    });

    test('sysctls of its namespaces are set', async () => {
      await pods.run('sysctls', {
        securityContext: { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '80' }] },
        containers: [container('exec sleep 1000')],
      });
      expect(await sh('sysctls', 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start')).toBe('80');
    });
  });
});
