import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Node, Pod } from '#api/objects.ts';
import { whyNoHost } from '../harness/host.ts';
import { eventually } from '../harness/run.ts';
import { VirtualLab } from '../harness/virtual-lab.ts';
import type { VirtualMachine } from '../harness/virtual-machine.ts';

/** What a test waits for of the cluster, beside processors that are only imagined. */
const PATIENCE = { timeoutMs: 180_000, everyMs: 1_000 };

/** Two virtual machines with systemd on cgroup v2, which cloud-init joins to the cluster of a third one, on two subnets. */
describe.skipIf(whyNoHost())('virtual machines that join by cloud-config', () => {
  const lab = new VirtualLab();
  const { cluster, machines } = lab;
  const nodes = ['node-1', 'vm-1', 'vm-2'];
  let [first, second]: VirtualMachine[] = [];

  const started = performance.now();
  const say = (what: string) =>
    console.log(`      ${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${what}`);
  const podOn = async (node: string, app = 'web') => {
    const { items } = await cluster.json<{ items: Pod[] }>(['get', 'pods', '-l', `app=${app}`]);
    return items.find(({ spec, metadata }) => spec!.nodeName === node && !metadata.deletionTimestamp)!;
  };
  const inPod = async (node: string, script: string) =>
    (await cluster.must(['exec', (await podOn(node)).metadata.name, '--', 'sh', '-c', script])).trim();
  const containerOn = async (node: string) => (await podOn(node))?.status?.containerStatuses?.[0];
  const isRunning = (node: string) =>
    eventually(
      `the pod on ${node} is ready`,
      async () => ((await containerOn(node))?.ready ? true : undefined),
      PATIENCE,
    );
  /** One request in a pod: busybox has nothing simpler that works when it is linked statically. */
  const get = (host: string, port: number, path: string) =>
    `printf 'GET /${path} HTTP/1.0\\r\\n\\r\\n' | nc -w 20 ${host} ${port}`;
  /** Containers were ended by the agent, and nothing was left for systemd to wait for, and to kill. */
  const wentDownInOrder = (machine: VirtualMachine) => {
    const said = readFileSync(machine.consoleLog, 'utf8');
    expect(said).toContain('The machine goes down: containers are ended');
    expect(said).not.toContain('Waiting for process');
  };
  const pidOf = (machine: VirtualMachine) => machine.must('pgrep -xo httpd');
  const mainPid = (machine: VirtualMachine) => machine.must('systemctl show gantry -P MainPID');
  const isActive = (machine: VirtualMachine) =>
    machine.until('the unit is active', async () => {
      const { stdout } = await machine.run('systemctl is-active gantry');
      return stdout.trim() === 'active' || undefined;
    });

  beforeAll(async () => {
    await lab.start(2, say);
    [first, second] = machines;
  });
  afterAll(async () => {
    const left = await lab.destroy();
    say('all removed');
    expect(left).toEqual([]);
  });

  afterEach(({ task }) => {
    if (task.result?.state === 'fail') for (const machine of machines) console.log(machine.console());
  });

  test('are nodes once cloud-init has run, which finds no fault', async () => {
    const { items } = await cluster.json<{ items: Node[] }>(['get', 'nodes']);
    expect(items.map(({ metadata }) => metadata.name).sort()).toEqual(nodes);
    for (const machine of machines) {
      const said = JSON.parse(await machine.must('cloud-init status --wait --format json'));
      expect(said, JSON.stringify(said)).toMatchObject({ status: 'done', errors: [] });
      const { status } = items.find(({ metadata }) => metadata.name === machine.name)!;
      expect(status!.nodeInfo!.kernelVersion).toContain('cloud-amd64');
      expect(status!.addresses).toContainEqual({ type: 'InternalIP', address: machine.tap.address });
    }
  });

  test('run the node as a service that systemd was told is ready', async () => {
    for (const machine of machines) {
      const names = ['ActiveState', 'SubState', 'UnitFileState', 'StatusText', 'NRestarts', 'Result'];
      const shown = await machine.must(
        `systemctl show gantry ${names.map((name) => `-p ${name}`).join(' ')}`,
      );
      expect(Object.fromEntries(shown.split('\n').map((line) => line.split('=')))).toEqual({
        ...{ ActiveState: 'active', SubState: 'running', UnitFileState: 'enabled', Result: 'success' },
        ...{ StatusText: 'The node is at work', NRestarts: '0' },
      });
      expect(await machine.must('systemctl is-system-running')).toBe('running');
    }
  });

  test('show nobody the token', async () => {
    for (const machine of machines) {
      const secret = await machine.must("sed -n 's/^GANTRY_TOKEN=//p' /etc/systemd/system/gantry.env");
      expect(secret).toMatch(/^[a-z0-9]{6}\.[a-z0-9]{16}\./);
      expect(await machine.must('stat -c %a /etc/systemd/system/gantry.env')).toBe('600');
      const found = await machine.must(
        `cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c '${secret}' || true`,
      );
      // The shell that looks.
      expect(Number(found)).toBeLessThanOrEqual(1);
    }
  });

  describe('with a pod on each', () => {
    beforeAll(async () => {
      const web = {
        ...{ name: 'web', image: 'gantry/hello:1', ports: [{ containerPort: 8080 }] },
        resources: { limits: { cpu: '500m', memory: '64Mi' } },
      };
      const antiAffinity = {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'kubernetes.io/hostname' },
        ],
      };
      const template = {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [web], affinity: { podAntiAffinity: antiAffinity } },
      };
      const deployment = {
        ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } },
        spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template },
      };
      await cluster.must(['apply', '-f', '-'], { input: JSON.stringify(deployment) });
      await cluster.must(['expose', 'deployment', 'web', '--port=80', '--target-port=8080']);
      for (const node of nodes) await isRunning(node);
      say('a pod runs on each');
    });

    test('hold containers to their limits with cgroup v2', async () => {
      for (const machine of machines) {
        const look = 'cat /proc/self/cgroup; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max';
        expect((await inPod(machine.name, look)).split('\n')).toEqual([
          ...['0::/', String(64 * 2 ** 20), '50000 100000'],
        ]);
      }
    });

    test('confine containers by AppArmor', async () => {
      for (const machine of machines)
        expect(await inPod(machine.name, 'cat /proc/self/attr/current')).toBe('gantry-default (enforce)');
    });

    test('reach a Service, and pods of each other', async () => {
      for (const from of nodes) {
        const look = `for i in $(seq 20); do ${get('web', 80, 'cgi-bin/hello')} | grep ^Hello; done | sort -u`;
        expect((await inPod(from, look)).split('\n'), from).toHaveLength(3);
      }
    });

    test('keep containers while the service is restarted, and when its watchdog finds that it hangs', async () => {
      const before = { pid: await pidOf(first!), id: (await containerOn('vm-1'))!.containerID };
      await first!.must('systemctl restart gantry');
      await isActive(first!);
      const pid = await mainPid(first!);
      await first!.must(`kill -STOP ${pid}`);
      await first!.until('the watchdog has ended it, and it is started again', async () => {
        const now = await mainPid(first!);
        return (now !== '0' && now !== pid) || undefined;
      });
      await isActive(first!);
      await lab.isReady(first!);
      expect({ pid: await pidOf(first!), id: (await containerOn('vm-1'))!.containerID }).toEqual(before);
      say('restarted, and found to hang');
    });

    test('come back after a restart of the machine as the same node, with their pods', async () => {
      const node = async () => {
        const { metadata, spec } = await cluster.json<Node>(['get', 'node', 'vm-2']);
        return { uid: metadata.uid, podCIDR: spec!.podCIDR };
      };
      const before = { node: await node(), id: (await containerOn('vm-2'))!.containerID };
      await second!.reboot();
      await isActive(second!);
      await eventually(
        'its pod runs anew',
        async () => {
          const now = await containerOn('vm-2');
          return (now?.ready && now.containerID !== before.id) || undefined;
        },
        PATIENCE,
      );
      expect(await node()).toEqual(before.node);
      const { podIP } = (await podOn('vm-2')).status!;
      expect(await inPod('node-1', get(podIP!, 8080, 'healthz'))).toMatch(/\bok$/);
      wentDownInOrder(second!);
      say('restarted the machine');
    });

    test('are as before once the service and what it made are removed', async () => {
      await first!.must('gantry install --remove');
      expect((await first!.run('systemctl is-active gantry')).stdout.trim()).toBe('inactive');
      expect((await first!.run('systemctl cat gantry')).code).not.toBe(0);
      expect(await pidOf(first!)).toMatch(/^\d+$/);
      await first!.must('gantry purge --yes');
      const look = `
        pgrep -a gantry; pgrep -x httpd; ls -d /sys/fs/cgroup/gantry-* /var/lib/gantry /run/gantry-[0-9a-f]*
        grep -e gantry /proc/mounts; ip -o link | grep -v -e ': lo' -e ': ens' -e ': eth'; true`;
      expect(await first!.must(`{ ${look}; } 2>/dev/null`)).toBe('');
    });

    test('switch themselves off', async () => {
      const seconds = await second!.powerOff();
      wentDownInOrder(second!);
      say(`switched off in ${seconds.toFixed(0)} s`);
    });
  });
});
