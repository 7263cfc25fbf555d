import { beforeEach, expect, test } from 'vitest';
import type { AuthorityName } from '#api/semantics/authorities.ts';
import { VirtualClock } from '#machinery/clock-virtual.ts';
import { StatusError } from '#machinery/errors.ts';
import type { Transport } from '#machinery/transport.ts';
import type { RotationAnswer, RotationStatus } from './plan.ts';
import { cancel, dropOld, type RotateFlags, rotate, textOf } from './rotate.ts';

/** Servers that take each step, and have all follow after so many looks. */
const NAMES: AuthorityName[] = ['server-ca', 'client-ca', 'service-account'];
const nobody = { servers: [], nodes: [], namespaces: [] };
let clock: VirtualClock;
let found: Map<AuthorityName, RotationStatus>;
let steps: string[];
let looks: number;
/** How often it is looked before all have followed. */
let slow: number;
beforeEach(() => {
  clock = new VirtualClock(0);
  steps = [];
  slow = 0;
  looks = 0;
  const next = { step: 'trust' as const, at: '', forcedAt: '' };
  const one = { phase: 'stable' as const, authorities: [KEY], waitsFor: nobody, tokens: [], next };
  found = new Map(NAMES.map((name) => [name, { name, ...one }]));
});
const KEY = { keyHash: 'KEY', until: 'THEN' };
const change = (name: AuthorityName, more: Partial<RotationStatus>) =>
  found.set(name, { ...found.get(name)!, ...more });

const transport: Transport = {
  async request({ method, path }) {
    const query = new URL(path, 'https://host').searchParams;
    const name = query.get('authority') as AuthorityName;
    const step = query.get('step');
    if (method === 'POST') {
      steps.push(`${step} ${name}${query.has('force') ? ' by force' : ''}`);
      looks = 0;
      change(name, { phase: step === 'drop' || step === 'cancel' ? 'stable' : (step as 'trust' | 'issue') });
    } else looks++;
    const waitsFor = looks <= slow ? { ...nobody, nodes: ['n1'] } : nobody;
    const authorities = [...found.values()].map((one) => ({ ...one, waitsFor }));
    const answer: RotationAnswer = { authorities, mode: 'auto' };
    return {
      ...{ status: 200, headers: {} },
      body: (async function* () {
        yield Buffer.from(JSON.stringify(answer));
      })(),
    } as unknown as Awaited<ReturnType<Transport['request']>>;
  },
  upgrade: () => Promise.reject(new StatusError('NotFound', 'nothing')),
};
const shown: string[] = [];
const deps = () => ({ transport, clock, show: (text: string) => shown.push(text) });
const flags = (more: Partial<RotateFlags> = {}): RotateFlags => ({ dataDir: '', timeout: 60_000, ...more });

/** Lets time pass until it has come to its end. */
async function passing<T>(work: Promise<T>): Promise<T> {
  let done = false;
  const end = work.finally(() => {
    done = true;
  });
  end.catch(() => {});
  while (!done) {
    await clock.advance(500);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return await end;
}

test('all that were chosen go together, each step when all have followed the last', async () => {
  slow = 3;
  const { authorities } = await passing(rotate(NAMES, flags(), deps()));
  expect(authorities.map(({ phase }) => phase)).toEqual(['issue', 'issue', 'issue']);
  expect(steps).toEqual([...NAMES.map((name) => `trust ${name}`), ...NAMES.map((name) => `issue ${name}`)]);
  expect(shown.at(-1)).toContain('server-ca: nodes n1');
});

test('it goes on where it was, with those that are not done', async () => {
  change('server-ca', { phase: 'issue' });
  change('client-ca', { phase: 'trust' });
  await passing(rotate(['server-ca', 'client-ca'], flags(), deps()));
  expect(steps).toEqual(['issue client-ca']);
  change('client-ca', { phase: 'issue' });
  await expect(passing(rotate(['server-ca', 'client-ca'], flags(), deps()))).rejects.toThrow(
    '--drop-old first',
  );
});

test('who does not follow in time is named; forced, nobody is waited for', async () => {
  slow = Number.POSITIVE_INFINITY;
  await expect(passing(rotate(['client-ca'], flags({ timeout: 5_000 }), deps()))).rejects.toThrow(
    'after 5 s these have not followed: client-ca: nodes n1',
  );
  expect(steps).toEqual(['trust client-ca']);
  await passing(rotate(['client-ca'], flags({ force: true }), deps()));
  expect(steps.at(-1)).toBe('issue client-ca by force');
});

test('what signs nothing yet is called off, and nothing else', async () => {
  change('server-ca', { phase: 'issue' });
  change('client-ca', { phase: 'trust' });
  const { authorities } = await passing(cancel(NAMES, flags(), deps()));
  expect([steps, authorities.map(({ phase }) => phase)]).toEqual([['cancel client-ca'], ['stable']]);
  await expect(passing(cancel(NAMES, flags(), deps()))).rejects.toThrow('there is no new authority');
});

test('nothing is dropped when something could not be', async () => {
  change('server-ca', { phase: 'issue' });
  change('client-ca', { phase: 'trust' });
  await expect(passing(dropOld(NAMES, flags(), deps()))).rejects.toThrow('client-ca does not issue yet');
  change('client-ca', { phase: 'issue' });
  slow = Number.POSITIVE_INFINITY;
  await expect(passing(dropOld(NAMES, flags(), deps()))).rejects.toThrow('server-ca yet: nodes n1');
  expect(steps).toEqual([]);
  slow = 0;
  for (const name of NAMES) change(name, { phase: 'stable' });
  await expect(passing(dropOld(NAMES, flags(), deps()))).rejects.toThrow('there is no old authority');
});

test('what signed for pods is kept until they have it anew, unless it is forced; the tokens that end are told', async () => {
  change('server-ca', { phase: 'issue', tokens: ['abcdef', 'ghijkl'] });
  change('service-account', { phase: 'issue', droppableAt: '1970-01-01T01:00:00Z' });
  const named = dropOld(['service-account'], flags(), deps(), true);
  await expect(passing(named)).rejects.toThrow('ends at 1970-01-01T01:00:00Z');
  const dropped = await passing(dropOld(NAMES, flags(), deps()));
  expect(steps).toEqual(['drop server-ca']);
  expect(textOf(dropped)).toBe(`\
server-ca: only the authority with the key KEY is trusted, until THEN
what the old service-account signed for pods ends at 1970-01-01T01:00:00Z: it can be dropped then, or with --force
2 tokens for joining (abcdef, ghijkl) ended with the old one
`);
  await clock.advance(3_600_000);
  expect(await passing(dropOld(NAMES, flags(), deps()))).toMatchObject({ kept: [] });
  expect(steps.at(-1)).toBe('drop service-account');
});
