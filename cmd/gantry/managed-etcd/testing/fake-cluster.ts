import type { Member, MemberAnswer, MemberApi } from '#store/etcd/members.ts';

export function member(name: string, change: Partial<Member> = {}): Member {
  const host = `10.0.0.${name.split('-')[1] ?? 9}`;
  return {
    id: `f${name.split('-')[1] ?? 9}`,
    name,
    peerUrls: [`https://${host}:2380`],
    clientUrls: [`https://${host}:2379`],
    isLearner: false,
    ...change,
  };
}

/** A cluster that keeps etcd's rules, as far as they are about who is in it; each call can be made to fail. */
export class FakeCluster implements MemberApi {
  members: Member[];
  /** Names or ids of members that are away. */
  readonly away = new Set<string>();
  /** How often a learner is refused its vote before it has caught up. */
  lag = 0;
  /** Of the next changes: `lost` is carried out and its answer lost, `refused` is not. */
  faults: ('lost' | 'refused')[] = [];
  readonly calls: string[] = [];
  #next = 0xa0;

  constructor(members: Member[]) {
    this.members = members;
  }

  async list(): Promise<Member[]> {
    return this.members;
  }

  async addLearner(peerUrl: string): Promise<Member> {
    const added = { ...member('', { peerUrls: [peerUrl], clientUrls: [] }), isLearner: true };
    return this.#change(`add ${peerUrl}`, () => {
      if (this.members.some(({ peerUrls }) => peerUrls.includes(peerUrl)))
        throw new Error('member ID already exist');
      if (this.members.some(({ isLearner }) => isLearner)) throw new Error('too many learner members');
      const made = { ...added, id: (this.#next++).toString(16) };
      this.members = [...this.members, made];
      return made;
    });
  }

  promote(id: string): Promise<void> {
    return this.#change(`promote ${id}`, () => {
      if (this.lag-- > 0) throw new Error('not in sync with leader');
      this.#edit(id, { isLearner: false });
    });
  }

  update(id: string, peerUrl: string): Promise<void> {
    return this.#change(`update ${id} ${peerUrl}`, () => this.#edit(id, { peerUrls: [peerUrl] }));
  }

  remove(id: string): Promise<void> {
    return this.#change(`remove ${id}`, () => {
      this.#edit(id, {});
      this.members = this.members.filter((one) => one.id !== id);
    });
  }

  async ask({ id, name }: Member): Promise<MemberAnswer | undefined> {
    return this.away.has(id) || this.away.has(name) || name === ''
      ? undefined
      : { id, hasLeader: true, revision: 1 };
  }

  close(): void {}

  async #change<T>(call: string, make: () => T): Promise<T> {
    this.calls.push(call);
    const fault = this.faults.shift();
    if (fault === 'refused') throw new Error('unhealthy cluster');
    const made = make();
    if (fault === 'lost') throw new Error('the connection broke');
    return made;
  }

  #edit(id: string, change: Partial<Member>): void {
    if (!this.members.some((one) => one.id === id)) throw new Error('member not found');
    this.members = this.members.map((one) => (one.id === id ? { ...one, ...change } : one));
  }
}
