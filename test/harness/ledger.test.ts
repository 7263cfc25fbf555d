import { describe, expect, test } from 'vitest';
import type { CommitInfo, CommitResult, Op, Store } from '#store/contract.ts';
import { MemoryStore } from '#store/memory/index.ts';
import { Ledger } from './ledger.ts';

/** Acknowledges every tenth commit without making it. */
class ForgetfulStore extends MemoryStore {
  #commits = 0;
  override async commit(ops: readonly Op[], info: CommitInfo): Promise<CommitResult> {
    this.#commits += 1;
    if (this.#commits % 10 === 0) return { ok: true, revision: await this.revision() };
    return super.commit(ops, info);
  }
}

async function losses(store: Store): Promise<string[]> {
  const ledger = new Ledger();
  for (let i = 0; i < 22; i++) {
    const name = `/k${i % 5}`;
    const ops: Op[] = [{ op: 'put', key: name, value: Buffer.from(String(i)) }];
    const { ok } = await store.commit(ops, { time: i, actor: 'test' });
    if (ok) ledger.acknowledge(name, i);
  }
  const { entries } = await store.list('/');
  const held = new Map(entries.map(({ key, value }) => [key, Number(Buffer.from(value).toString())]));
  await store.close();
  return ledger.lost(held);
}

describe('ledger', () => {
  test('finds nothing lost in a sound store', async () => {
    expect(await losses(new MemoryStore())).toEqual([]);
  });

  test('finds a planted lost write', async () => {
    // Commits 10 and 20 are dropped; a later write to the same key heals the first of them.
    expect(await losses(new ForgetfulStore())).toEqual(['/k4: acknowledged at 19, holds 14']);
  });
});
