/** An etcd of three members under load whose leader is killed, hangs, or is cut off from the others. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { whyNoEtcd } from '#store/etcd/testing/server.ts';
import { whyNoHost } from '../harness/host.ts';
import { eventually } from '../harness/run.ts';
import { EtcdMembers, type Member } from './etcd-members.ts';

const MISSING = whyNoHost() ?? whyNoEtcd();
const CLIENT = new URL('./etcd-client.ts', import.meta.url).pathname;
/** How often the leader suffers each fault. */
const ROUNDS = process.env['GANTRY_FULL'] ? 5 : 1;
const ACKNOWLEDGED_BETWEEN = 40;
/** An election on a busy machine may need several tries. */
const WAIT_MS = 120_000;
const TEST_MS = 400_000;

/** etcd-client.ts on the wire. */
class Client {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly ended: Promise<unknown>;

  constructor(members: EtcdMembers, endpoints: readonly string[]) {
    const [command, args] = members.inside(process.execPath, [CLIENT, ...endpoints]);
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.ended = new Promise((resolve) => this.#child.once('exit', resolve));
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.lines.push(line));
  }

  count(kind: string): number {
    return this.lines.filter((line) => line.startsWith(`${kind} `)).length;
  }

  /** Asks, and waits for the answer: the first line after it that is one of these. */
  async ask(question: string, ...answers: string[]): Promise<string> {
    const begun = this.lines.length;
    this.#child.stdin!.write(`${question}\n`);
    return eventually(
      `an answer to ${question}`,
      async () => this.lines.slice(begun).find((line) => answers.includes(line.split(' ')[0]!)),
      { timeoutMs: WAIT_MS },
    );
  }

  /** More acknowledged writes. */
  async progress(count = ACKNOWLEDGED_BETWEEN): Promise<void> {
    const before = this.count('ack');
    await eventually('writes go on', async () => this.count('ack') >= before + count || undefined, {
      timeoutMs: WAIT_MS,
    });
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

describe.skipIf(MISSING)(`etcd: three members${MISSING ? ` (${MISSING})` : ''}`, () => {
  const members = new EtcdMembers();
  const clients: Client[] = [];
  const open = async (endpoints: readonly string[]) => {
    const client = new Client(members, endpoints);
    clients.push(client);
    await eventually('the client is ready', async () => client.lines.includes('ready') || undefined, {
      timeoutMs: WAIT_MS,
    });
    return client;
  };
  let client: Client;

  beforeAll(async () => {
    await members.create();
    client = await open(members.members.map(({ endpoint }) => endpoint));
    await client.progress();
  });
  afterAll(async () => {
    for (const one of clients) one.kill();
    await Promise.all(clients.map(({ ended }) => ended));
    await members.remove();
  });

  async function leader(): Promise<Member> {
    return eventually('there is a leader', async () => {
      const [, endpoint] = (await client.ask('leader', 'leader')).split(' ');
      return members.members.find((member) => member.endpoint === endpoint);
    });
  }

  for (let round = 1; round <= ROUNDS; round++) {
    test(
      `the leader is killed, and comes back (${round})`,
      async () => {
        const member = await leader();
        await members.kill(member);
        await client.progress();
        members.start(member);
        await client.progress();
      },
      TEST_MS,
    );

    test(
      `the leader hangs, and goes on (${round})`,
      async () => {
        const member = await leader();
        member.child!.kill('SIGSTOP');
        await client.progress();
        member.child!.kill('SIGCONT');
        await client.progress();
      },
      TEST_MS,
    );

    test(
      `the leader is cut off from the others: who reaches only it reads nothing stale (${round})`,
      async () => {
        const member = await leader();
        const alone = await open([member.endpoint, '--read']);
        await members.cutOff(member);
        // The others have chosen a leader when this client, who can reach them, goes on.
        await client.progress();
        const written = lastRevision(client);
        const answer = await alone.ask('read', 'read', 'unread');
        if (answer.startsWith('read ')) expect(Number(answer.split(' ')[1])).toBeGreaterThanOrEqual(written);
        await members.mend(member);
        await client.progress();
        alone.kill();
      },
      TEST_MS,
    );
  }

  test(
    'nothing that was acknowledged is missing, and every event came once and in order',
    async () => {
      await client.ask('stop', 'end');
      expectWhole(client);
      expect(client.count('ack')).toBeGreaterThan(100);
    },
    TEST_MS,
  );
});

function lastRevision({ lines }: Client): number {
  return Math.max(
    ...lines.filter((line) => line.startsWith('ack ')).map((line) => Number(line.split(' ')[1])),
  );
}

function expectWhole({ lines }: Client): void {
  const seen = new Map<number, string>();
  let last = 0;
  for (const line of lines) {
    const [kind, second, ...rest] = line.split(' ');
    if (kind !== 'saw') continue;
    const revision = Number(second);
    expect(revision).toBeGreaterThan(last);
    last = revision;
    seen.set(revision, rest.join(' '));
  }
  const told = new Set<number>();
  for (const line of lines) {
    const [kind, second, ...rest] = line.split(' ');
    if (kind !== 'ack') continue;
    const revision = Number(second);
    expect(told.has(revision), `revision ${revision} was acknowledged twice`).toBe(false);
    told.add(revision);
    expect(seen.get(revision), `revision ${revision}`).toBe(rest.join(' '));
  }
}
