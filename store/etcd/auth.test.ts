import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sleep, systemClock } from '#machinery/clock.ts';
import { silentLogger } from '#machinery/log.ts';
import { systemRandom } from '#machinery/random.ts';
import type { Store } from '../contract.ts';
import { openEtcdStore } from './index.ts';
import { EtcdServer, whyNoEtcd } from './testing/server.ts';

const MISSING = whyNoEtcd();
/** etcd forgets a token that was not used for so long: it rounds to whole seconds. */
const TOKEN_SECONDS = 1;
const ROOT = '/gantry/auth/';

describe.skipIf(MISSING)(`etcd: users and passwords${MISSING ? ` (${MISSING})` : ''}`, () => {
  const server = new EtcdServer(['--unsafe-no-fsync', '--auth-token-ttl', String(TOKEN_SECONDS)]);

  beforeAll(async () => {
    await server.start();
    const admin = new Etcd3({ hosts: `http://${server.endpoint}` });
    const all = { key: Buffer.from([0]), range_end: Buffer.from([0]), permType: 'Readwrite' } as const;
    await admin.user('root').create('of-all');
    await admin.user('root').addRole('root');
    await admin.role('everything').create();
    await admin.auth.roleGrantPermission({ name: 'everything', perm: all });
    await admin.user('gantry').create('sesame');
    await admin.user('gantry').addRole('everything');
    await admin.auth.authEnable();
    admin.close();
  });
  afterAll(() => server.remove());

  const open = (auth?: { username: string; password: string }): Promise<Store> =>
    openEtcdStore({
      ...{ endpoints: [server.endpoint], root: ROOT, clock: systemClock, random: systemRandom },
      ...{ log: silentLogger, retryMs: 1_000, ...(auth && { auth }) },
    });
  const write = (store: Store, text: string) =>
    store.commit([{ op: 'put', key: `${ROOT}a`, value: Buffer.from(text) }], { time: 1, actor: 'test' });

  test('without a user, and with a wrong password, it is said at once', async () => {
    await expect(open()).rejects.toThrow(/user name|permission|auth/i);
    await expect(open({ username: 'gantry', password: 'wrong' })).rejects.toThrow(
      /authentication failed|password/i,
    );
  });

  test('commits and watches go on when the token has run out, and when the server has forgotten it', async () => {
    const store = await open({ username: 'gantry', password: 'sesame' });
    try {
      const events = store.watch(ROOT, undefined, AbortSignal.timeout(30_000))[Symbol.asyncIterator]();
      const expectSeen = async (text: string) => {
        const result = await write(store, text);
        expect(result).toMatchObject({ ok: true });
        for (;;) {
          const { revision } = (await events.next()).value!;
          if (result.ok && revision >= result.revision) break;
        }
        expect(Buffer.from((await store.get(`${ROOT}a`))!.value).toString()).toBe(text);
      };
      await expectSeen('one');
      // Longer than any token lives without use.
      await sleep(systemClock, 3_000 * TOKEN_SECONDS);
      await expectSeen('two');
      await server.kill();
      await server.start();
      await expectSeen('three');
    } finally {
      await store.close();
    }
  }, 40_000);
});
