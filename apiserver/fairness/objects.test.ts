/** Priority and fairness by objects, over a list of objects in place of the server's cache. */
import { describe, expect, it } from 'vitest';
import type { Kind } from '#api/kind.ts';
import { FlowSchemaKind } from '#api/kinds/flow-schema.ts';
import { PriorityLevelConfigurationKind } from '#api/kinds/priority-level-configuration.ts';
import type { ApiObject, FlowSchema } from '#api/objects.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { silentLogger } from '#machinery/log.ts';
import { BUILT_IN } from './configuration.ts';
import { Fairness } from './index.ts';
import { type FlowObjects, followFlowObjects } from './objects.ts';

const SCHEMA = FlowSchemaKind as unknown as Kind;
const LEVEL = PriorityLevelConfigurationKind as unknown as Kind;

type AnyObject = ApiObject & { spec?: unknown; status?: { conditions?: Record<string, unknown>[] } };

class Objects implements FlowObjects {
  readonly #held = new Map<Kind, Map<string, AnyObject>>([
    [SCHEMA, new Map()],
    [LEVEL, new Map()],
  ]);
  readonly #listeners = new Set<() => void>();

  async fresh(): Promise<void> {}

  put(of: Kind, name: string, spec: unknown, uid = `uid of ${name}`): void {
    const object = {
      apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
      kind: of.kind,
      metadata: { name, uid },
      spec,
    };
    this.#held.get(of)!.set(name, object);
    this.#tell();
  }

  remove(of: Kind, name: string): void {
    this.#held.get(of)!.delete(name);
    this.#tell();
  }

  get(of: Kind, name: string): AnyObject {
    return this.#held.get(of)!.get(name)!;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  list<T extends ApiObject>(of: Kind<T>): readonly T[] {
    return [...this.#held.get(of as unknown as Kind)!.values()] as unknown as T[];
  }

  onChange<T extends ApiObject>(_of: Kind<T>, listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async updateStatus(name: string, change: (schema: FlowSchema) => FlowSchema): Promise<void> {
    const schema = this.get(SCHEMA, name) as unknown as FlowSchema;
    this.#held.get(SCHEMA)!.set(name, change(schema) as unknown as AnyObject);
    this.#tell();
  }
}

const LONE = { type: 'Limited', limited: { nominalConcurrencyShares: 5, limitResponse: { type: 'Reject' } } };
const TO_LONE = {
  priorityLevelConfiguration: { name: 'lone' },
  matchingPrecedence: 10,
  rules: [
    {
      subjects: [{ kind: 'User', user: { name: 'ann' } }],
      nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
    },
  ],
};

async function follow() {
  const clock = new VirtualClock(Date.UTC(2026, 0, 2));
  const fairness = new Fairness({ clock });
  const objects = new Objects();
  const stop = await followFlowObjects({ objects, fairness, clock, log: silentLogger });
  const names = () => fairness.levels().map(({ name }) => name);
  return { fairness, objects, stop, names };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the configuration of priority and fairness', () => {
  it('is the built-in one until there are objects, and then theirs with the mandatory ones', async () => {
    const { objects, names } = await follow();
    await settled();
    expect(names()).toHaveLength(BUILT_IN.levels.length);
    objects.put(LEVEL, 'lone', LONE);
    objects.put(SCHEMA, 'to-lone', TO_LONE);
    await settled();
    expect(names()).toEqual(['catch-all', 'exempt', 'lone']);
  });

  it('follows every change, and tells clients the uids', async () => {
    const { objects, names, fairness } = await follow();
    objects.put(LEVEL, 'lone', LONE);
    await settled();
    const before = fairness.levels().find(({ name }) => name === 'lone')!.limits.nominal;
    objects.put(LEVEL, 'lone', { ...LONE, limited: { ...LONE.limited, nominalConcurrencyShares: 500 } });
    objects.put(LEVEL, 'other', LONE);
    await settled();
    const lone = fairness.levels().find(({ name }) => name === 'lone')!;
    expect(lone.limits.nominal).toBeGreaterThan(before);
    expect(lone.uid).toBe('uid of lone');
    objects.remove(LEVEL, 'other');
    await settled();
    expect(names()).toEqual(['catch-all', 'exempt', 'lone']);
  });

  it('is told to each schema: whether its level is there', async () => {
    const { objects } = await follow();
    objects.put(LEVEL, 'other', LONE);
    objects.put(SCHEMA, 'to-lone', TO_LONE);
    await settled();
    const conditions = () => objects.get(SCHEMA, 'to-lone').status?.conditions;
    expect(conditions()).toEqual([
      {
        type: 'Dangling',
        status: 'True',
        reason: 'NotFound',
        message:
          'This FlowSchema references the PriorityLevelConfiguration object named "lone" but there is no such object',
        lastTransitionTime: '2026-01-02T00:00:00Z',
      },
    ]);
    objects.put(LEVEL, 'lone', LONE);
    await settled();
    expect(conditions()).toEqual([
      expect.objectContaining({
        status: 'False',
        reason: 'Found',
        message:
          'This FlowSchema references the PriorityLevelConfiguration object named "lone" and it exists',
      }),
    ]);
  });

  it('is left alone once it is not followed any more', async () => {
    const { objects, stop, names } = await follow();
    stop();
    objects.put(LEVEL, 'lone', LONE);
    await settled();
    expect(names()).toHaveLength(BUILT_IN.levels.length);
  });
});
