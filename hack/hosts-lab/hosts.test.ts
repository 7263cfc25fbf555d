import { spawn } from 'node:child_process';
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

  beforeAll(async () => {
    elsewhere = mkdtempSync(join(tmpdir(), 'gantry-hosts-'));
    lab = (await mustRun(COMMAND, ['up', '3', '--subnets', '2', '--mtu', '1400'])).trim();
    other = (await mustRun(COMMAND, ['up', '2'])).trim();
    hosts = JSON.parse(await must('list', '-o', 'json'));
  }, TIMEOUT_MS);
  afterAll(async () => {
    for (const id of [lab, other]) if (id) await mustRun(COMMAND, ['down', '--lab', id]);
    for (const id of [lab, other]) {
      expect(readdirSync('/run/netns').filter((name) => name.startsWith(id))).toEqual([]);
      expect(existsSync(`/var/lib/gantry-labs/${id}`)).toBe(false);
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(id);
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
    // A mount that it leaves behind is undone by `down`, which must not empty what is mounted there.
    writeFileSync(join(elsewhere, 'kept'), '');
    await must('exec', 'h2', '--', 'sh', '-c', `mkdir here && mount --bind ${elsewhere} here`);
    expect(existsSync(`${hosts[1]!.directory}/here/kept`)).toBe(true);
  });

  test.each([
    [['cut', 'h9'], 'which host? h1, h2, h3'],
    [['lossy', 'h1', '101'], 'PERCENT is a whole number from 0 to 100'],
    [['exec', 'h1'], 'which command?'],
    [['kill', 'h1', '--signal', 'LOUD'], 'LOUD is no signal'],
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
