import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import { HelperClient } from './helper-client.ts';
import { whyNotIdmapped } from './probe.ts';
import { OP } from './protocol.ts';
import { BIN_DIRECTORY, buildPrograms } from './test-root.ts';

const NETLINK_ROUTE = 0;
const RTM_GETLINK = 18;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

/** RTM_GETLINK with an empty ifinfomsg. */
function getLink(flags: number, sequence: number, index = 0): Buffer {
  const message = Buffer.alloc(32);
  message.writeUInt32LE(32, 0);
  message.writeUInt16LE(RTM_GETLINK, 4);
  message.writeUInt16LE(NLM_F_REQUEST | flags, 6);
  message.writeUInt32LE(sequence, 8);
  message.writeInt32LE(index, 20);
  return message;
}

function types(reply: Uint8Array): number[] {
  const bytes = Buffer.from(reply);
  const found: number[] = [];
  for (let at = 0; at + 16 <= bytes.length; at += (bytes.readUInt32LE(at) + 3) & ~3)
    found.push(bytes.readUInt16LE(at + 4));
  return found;
}

const root = process.getuid?.() === 0;

describe.skipIf(!root)('helper (needs root: it enters network namespaces)', () => {
  const cleanups: (() => Promise<void> | void)[] = [];
  beforeAll(buildPrograms, 120_000);
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  function makeClient(suffix = ''): HelperClient {
    const base = mkdtempSync(join(tmpdir(), 'gantry-helper-'));
    cleanups.push(() => rmSync(base, { recursive: true, force: true }));
    return clientOf(join(base, `run${suffix}`));
  }

  function clientOf(runDirectory: string): HelperClient {
    const client = new HelperClient({
      clock: systemClock,
      runDirectory,
      binDirectory: BIN_DIRECTORY,
    });
    cleanups.push(() => client.shutdown());
    return client;
  }

  test('starts on first use and answers', async () => {
    const client = makeClient();
    const { version, pid } = await client.hello();
    expect(version).toBe('1');
    expect(pid).toBeGreaterThan(1);
  });

  test('carries a dump, an acknowledged request and a refused one', async () => {
    const client = makeClient();
    const dump = await client.exchange({ protocol: NETLINK_ROUTE, request: getLink(NLM_F_DUMP, 1) });
    expect(types(dump).at(-1)).toBe(NLMSG_DONE);
    const batch = Buffer.concat([getLink(NLM_F_ACK, 2, 1), getLink(NLM_F_ACK, 3, 999_999)]);
    const answer = await client.exchange({ protocol: NETLINK_ROUTE, request: batch });
    expect(types(answer).filter((type) => type === NLMSG_ERROR)).toHaveLength(2);
  });

  test('works in another namespace and comes back to its own', async () => {
    const client = makeClient();
    const { pid } = await client.hello();
    const own = await client.exchange({ protocol: NETLINK_ROUTE, request: getLink(NLM_F_DUMP, 1) });
    const same = await client.exchange({
      networkNamespace: `/proc/${pid}/ns/net`,
      protocol: NETLINK_ROUTE,
      request: getLink(NLM_F_DUMP, 1),
    });
    expect(types(same)).toEqual(types(own));
  });

  test('says which step failed', async () => {
    const client = makeClient();
    const refused = client.exchange({ networkNamespace: '/nowhere', protocol: 0, request: getLink(0, 1) });
    await expect(refused).rejects.toMatchObject({ code: 'Kernel', step: 'open network namespace' });
    await expect(client.exchange({ protocol: 99, request: getLink(0, 1) })).rejects.toMatchObject({
      step: 'netlink socket',
    });
  });

  test('tries whether a file system can be shown with other owners', async () => {
    const client = makeClient();
    expect(await whyNotIdmapped(client, '/proc/sys')).toMatch(/idmap mount: \/proc\/sys: EINVAL/);
    expect(await whyNotIdmapped(client, '/nowhere')).toMatch(/ENOENT/);
  });

  test('outlives its client and is adopted by the next one', async () => {
    const base = mkdtempSync(join(tmpdir(), 'gantry-helper-'));
    cleanups.push(() => rmSync(base, { recursive: true, force: true }));
    const first = clientOf(base);
    const { pid } = await first.hello();
    await first.close();
    const second = clientOf(base);
    expect((await second.hello()).pid).toBe(pid);
  });

  test('is replaced when it dies', async () => {
    const client = makeClient();
    const { pid } = await client.hello();
    const reconnected = new Promise<void>((resolve) => {
      client.onReconnect = resolve;
    });
    process.kill(pid, 'SIGKILL');
    await reconnected;
    expect((await client.hello()).pid).not.toBe(pid);
  });

  test('is not started by who only joins it, who finds the next one when it dies', async () => {
    const base = mkdtempSync(join(tmpdir(), 'gantry-helper-'));
    cleanups.push(() => rmSync(base, { recursive: true, force: true }));
    const options = { clock: systemClock, runDirectory: base, binDirectory: BIN_DIRECTORY };
    const joining = new HelperClient({ ...options, joinsOnly: true });
    cleanups.push(() => joining.close());
    await expect(joining.hello()).rejects.toMatchObject({ code: 'Unavailable' });
    const starter = clientOf(base);
    const { pid } = await starter.hello();
    expect((await joining.hello()).pid).toBe(pid);
    process.kill(pid, 'SIGKILL');
    const dump = { protocol: NETLINK_ROUTE, request: getLink(NLM_F_DUMP, 1), repeatable: true };
    expect(types(await joining.exchange(dump))).toContain(NLMSG_DONE);
    expect((await joining.hello()).pid).toBe((await starter.hello()).pid);
  });

  test('two clients that start at once share one helper', async () => {
    const base = mkdtempSync(join(tmpdir(), 'gantry-helper-'));
    cleanups.push(() => rmSync(base, { recursive: true, force: true }));
    const [a, b] = await Promise.all([clientOf(base).hello(), clientOf(base).hello()]);
    expect(a.pid).toBe(b.pid);
  });

  test('serves a directory whose path is longer than a socket address', async () => {
    const client = makeClient(`/${'d'.repeat(120)}`);
    expect((await client.hello()).pid).toBeGreaterThan(1);
  });

  test('refuses what it does not know', async () => {
    const client = makeClient();
    await expect(client.request(OP.START)).rejects.toMatchObject({ step: 'helper request' });
  });
});
