import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { whyNoHost } from '#test/harness/host.ts';
import { hostProcesses } from '#test/harness/host-processes.ts';
import { eventually, mustRun, type Ran, run } from '#test/harness/run.ts';

const COMMAND = new URL('../hosts', import.meta.url).pathname;
const ROOT = new URL('../..', import.meta.url).pathname;
const PACKETS = 200;
/** Each command starts a Node of its own, and other tests run beside these. */
const TIMEOUT_MS = 60_000;

interface Row {
  name: string;
  address: string;
  networkNamespace: string;
  directory: string;
}

/** Two labs at once, whose hosts have the same addresses: what is done to one must not reach the other. */
describe.skipIf(whyNoHost())('hack/hosts', { timeout: TIMEOUT_MS }, () => {
  let lab = '';
  let other = '';
  let hosts: Row[] = [];
  let elsewhere = '';
  const hack = (...args: string[]): Promise<Ran> => run(COMMAND, [args[0]!, '--lab', lab, ...args.slice(1)]);
  const must = async (...args: string[]) => {
    const ran = await hack(...args);
    expect(ran).toMatchObject({ code: 0 });
    return ran.stdout;
  };
  const addressOf = (name: string) => hosts.find((host) => host.name === name)!.address;
  /** How many answers come to some pings, one every 20 ms. */
  const answers = async (from: string, to: string, count = 1): Promise<number> => {
    const ping = ['busybox', 'ping', '-c', `${count}`, '-i', '0.02', '-W', '1', addressOf(to)];
    const { stdout } = await hack('exec', from, '--', ...ping);
    return Number(/(\d+) packets received/.exec(stdout)?.[1]);
  };

  /** How long an answer to a ping takes, at best. */
  const milliseconds = async (from: string, to: string): Promise<number> => {
    const ping = ['busybox', 'ping', '-c', '3', '-i', '0.02', '-W', '2', addressOf(to)];
    return Number(/min\/avg\/max = ([\d.]+)/.exec(await must('exec', from, '--', ...ping))?.[1]);
  };

  beforeAll(async () => {
    elsewhere = mkdtempSync(join(tmpdir(), 'gantry-hosts-'));
    lab = (await mustRun(COMMAND, ['up', '3', '--subnets', '2', '--mtu', '1400', '--disk', '64'])).trim();
    other = (await mustRun(COMMAND, ['up', '2'])).trim();
    hosts = JSON.parse(await must('list', '-o', 'json'));
  }, TIMEOUT_MS);
  afterAll(async () => {
    for (const id of [lab, other]) if (id) await mustRun(COMMAND, ['down', '--lab', id]);
    for (const id of [lab, other]) {
      expect(readdirSync('/run/netns').filter((name) => name.startsWith(id))).toEqual([]);
      expect(existsSync(`/var/lib/gantry-labs/${id}`)).toBe(false);
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(id);
      for (const hierarchy of readdirSync('/sys/fs/cgroup'))
        expect(existsSync(`/sys/fs/cgroup/${hierarchy}/${id}-1`)).toBe(false);
    }
    const kept = readdirSync(elsewhere);
    rmSync(elsewhere, { recursive: true });
    expect(kept).toEqual(['kept']);
  }, TIMEOUT_MS);

  test('hosts have names, directories and addresses, and no way out', async () => {
    const script = 'hostname; pwd; ip -o link show uplink';
    const said = await must('exec', 'h2', '--', 'sh', '-c', script);
    expect(said).toContain(`h2\n${hosts[1]!.directory}\n`);
    expect(said).toContain('mtu 1400');
    const { code } = await hack('exec', 'h1', '--', 'busybox', 'ping', '-c', '1', '-W', '1', '192.88.99.1');
    expect(code).toBe(1);
  });

  test('each reaches each, over the router too', async () => {
    for (const from of ['h1', 'h2', 'h3'])
      for (const to of ['h1', 'h2', 'h3']) expect(await answers(from, to), `${from} to ${to}`).toBe(1);
  });

  test('a command’s status and input pass', async () => {
    expect((await hack('exec', 'h1', '--', 'sh', '-c', 'exit 7')).code).toBe(7);
    const passed = await run(COMMAND, ['exec', '--lab', lab, 'h1', '--', 'cat'], { input: 'word' });
    expect(passed.stdout).toBe('word');
  });

  test('a signal reaches the command', async () => {
    const script = 'trap "exit 9" TERM; echo on; while :; do sleep 0.1; done';
    const child = spawn(COMMAND, ['exec', '--lab', lab, 'h1', '--', 'sh', '-c', script]);
    child.stdout.once('data', () => child.kill('SIGTERM'));
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(9);
  });

  test('a cut parts two hosts and nobody else, until it is healed', async () => {
    await must('cut', 'h1', 'h2');
    expect(await answers('h1', 'h2')).toBe(0);
    expect(await answers('h1', 'h3')).toBe(1);
    const ping = ['busybox', 'ping', '-c', '1', '-W', '1', '192.0.2.12'];
    expect((await run(COMMAND, ['exec', '--lab', other, 'h1', '--', ...ping])).code).toBe(0);
    await must('heal', 'h1', 'h2');
    expect(await answers('h1', 'h2')).toBe(1);
  });

  test('a cut one way lets the other pass', async () => {
    await must('cut', 'h1', 'h3', '--one-way');
    const { networkNamespace } = hosts[2]!;
    const count = async () =>
      Number(
        /Icmp: (\d+)/.exec(
          (await must('exec', 'h3', '--', 'cat', '/proc/net/snmp')).replace(/Icmp: In.*\n/, ''),
        )?.[1],
      );
    const before = await count();
    expect(await answers('h1', 'h3')).toBe(0);
    expect(await count(), `what came to ${networkNamespace}`).toBe(before);
    // The way there is open, and the answer is lost.
    expect(await answers('h3', 'h1')).toBe(0);
    await must('heal', 'h1', 'h3', '--one-way');
    expect(await answers('h3', 'h1')).toBe(1);
  });

  test('a host is cut off from all', async () => {
    await must('cut', 'h2');
    expect(await answers('h1', 'h2')).toBe(0);
    expect(await answers('h3', 'h2')).toBe(0);
    await must('heal', 'h2');
    expect(await answers('h3', 'h2')).toBe(1);
  });

  test('a lossy wire loses about its share', async () => {
    await must('lossy', 'h1', 'h3', '50', '--one-way');
    const came = await answers('h1', 'h3', PACKETS);
    expect(came).toBeGreaterThan(PACKETS * 0.25);
    expect(came).toBeLessThan(PACKETS * 0.75);
    await must('heal', 'h1', 'h3', '--one-way');
  });

  test('a delay keeps packets under way, whatever it carries, until it is healed', async () => {
    await must('delay', 'h1', 'h3', '80', '--jitter', '20', '--one-way');
    expect(await milliseconds('h1', 'h3')).toBeGreaterThanOrEqual(60);
    await must('delay', 'h1', 'h3', '30');
    const there = await milliseconds('h1', 'h3');
    expect(there).toBeGreaterThanOrEqual(60);
    // More than a packet: segments that the kernel would have joined or left to the device.
    const make = `head -c 3000000 /dev/zero | tr '\\0' x >big && busybox httpd -p 9000 -h .`;
    await must('exec', 'h3', '--', 'sh', '-c', make);
    const fetch = `curl -sS -m 30 http://${addressOf('h3')}:9000/big | sha256sum`;
    const sum = createHash('sha256').update('x'.repeat(3_000_000)).digest('hex');
    expect(await must('exec', 'h1', '--', 'sh', '-c', fetch)).toContain(sum);
    await must('heal', 'h1', 'h3');
    await must('delay', 'all', '25');
    expect(await milliseconds('h2', 'h1')).toBeGreaterThanOrEqual(50);
    await must('heal', 'all');
    expect(await answers('h2', 'h1')).toBe(1);
    expect(hostProcesses(`${lab}-m`)).toEqual([]);
  });

  test('a disk is a host’s own, of its size, and can be full', async () => {
    const write = (name: string) => hack('exec', name, '--', 'sh', '-c', 'echo word >file && cat file');
    await must('fill', 'h1');
    expect((await write('h1')).code).not.toBe(0);
    expect((await write('h2')).stdout).toBe('word\n');
    await must('free', 'h1');
    expect((await write('h1')).stdout).toBe('word\n');
    expect(readFileSync(`${hosts[0]!.directory}/file`, 'utf8')).toBe('word\n');
    expect(await must('exec', 'h1', '--', 'df', '--output=size', '.')).toMatch(/^ *65536$/m);
    expect(await must('exec', 'h1', '--', 'ls', `${hosts[1]!.directory}/..`)).not.toContain('file');
  });

  test('what a host mounts and groups is its own', async () => {
    const groups = '/sys/fs/cgroup/pids';
    await must('exec', 'h1', '--', 'sh', '-c', `mkdir ${groups}/mine here && mount -t tmpfs mine here`);
    expect(await must('exec', 'h1', '--', 'cat', '/proc/self/mountinfo')).toContain('mine');
    for (const look of [`ls ${groups}`, 'cat /proc/self/mountinfo']) {
      expect(await must('exec', 'h2', '--', 'sh', '-c', look)).not.toContain('mine');
      expect(await mustRun('sh', ['-c', look])).not.toContain('mine');
    }
    expect(await must('exec', 'h1', '--', 'cat', '/proc/self/cgroup')).toMatch(/:pids:\/$/m);
  });

  test('a host is paused, goes on, and loses its power', async () => {
    const script = 'unshare --net sh -c "echo on; while :; do echo tick; sleep 0.05; done"';
    const child = spawn(COMMAND, ['exec', '--lab', lab, 'h2', '--', 'sh', '-c', script]);
    let ticks = 0;
    child.stdout.on('data', () => ticks++);
    const ended = new Promise((resolve) => child.on('close', resolve));
    const goesOn = async (more = ticks + 3) =>
      await eventually('it ticks', async () => (ticks > more ? true : undefined));
    await goesOn();
    await must('pause', 'h2');
    const paused = ticks;
    await new Promise((resolve) => setTimeout(resolve, 300));
    // One that was on its way.
    expect(ticks).toBeLessThanOrEqual(paused + 1);
    await must('resume', 'h2');
    await goesOn();
    await must('kill', 'h2');
    expect(await ended).toBe(137);
    expect(hostProcesses(hosts[1]!.networkNamespace)).toEqual([]);
  });

  test('of a host without power the disk is left, and what was mounted there is not emptied', async () => {
    writeFileSync(join(elsewhere, 'kept'), '');
    const make = `mkdir kept && mount --bind ${elsewhere} kept && echo word >written && mkdir /sys/fs/cgroup/pids/made
      touch /run/made; ip link add made type bridge; ls kept`;
    expect(await must('exec', 'h2', '--', 'sh', '-c', make)).toBe('kept\n');
    await must('cut', 'h1', 'h2', '--one-way');
    await must('kill', 'h2');
    const look = 'cat written; ls kept /sys/fs/cgroup/pids /run; ip -o link';
    const left = await must('exec', 'h2', '--', 'sh', '-c', look);
    expect(left).toContain('word\n');
    expect(left).not.toMatch(/made|^kept$/m);
    expect(await answers('h3', 'h2')).toBe(1);
    expect(await answers('h1', 'h2')).toBe(0);
    await must('heal', 'h1', 'h2');
    expect(await answers('h1', 'h2')).toBe(1);
  });

  test.each([
    [['cut', 'h9'], 'which host? h1, h2, h3'],
    [['lossy', 'h1', '101'], 'PERCENT is a whole number from 0 to 100'],
    [['exec', 'h1'], 'which command?'],
    [['kill', 'h1', '--signal', 'LOUD'], 'LOUD is no signal'],
    [['delay', 'h1', 'soon'], 'MS is a whole number from 0 to 60000'],
    [['delay', 'h1', '10', '--jitter', '11'], '--jitter is a whole number from 0 to 10'],
    [['fill'], 'which host? h1, h2, h3'],
    [['dance'], 'dance is no command'],
  ])('%j is refused', async (args, why) => {
    const { code, stderr } = await hack(...args);
    expect(stderr).toContain(why);
    expect(code).toBe(2);
  });

  test('the guide’s commands run as they are written', async () => {
    const guide = readFileSync(`${ROOT}docs/guides/test-with-several-hosts.md`, 'utf8');
    const block = /```sh\n([\s\S]*?)```/.exec(guide)![1]!;
    // What it has made goes, wherever it stops.
    const script = `set -e\ntrap '[ ! -e "/var/lib/gantry-labs/$GANTRY_LAB" ] || hack/hosts down' EXIT\n${block}`;
    const { code, stdout, stderr } = await run('sh', ['-c', script], { cwd: ROOT });
    expect(`${code} ${stderr}`).toBe('0 ');
    expect(stdout).toMatch(/^h1$/m);
  });
});
