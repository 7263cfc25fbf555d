/**
 * Every verb on every kind that the server says it serves, with bodies, patches, parameters and paths of chance. A seed is
 * a case: GANTRY_SEEDS=17..18 plays one again, GANTRY_FULL=1 plays many more.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isObject } from '#machinery/schema/model.ts';
import { caseOf, type FuzzCase, NAMESPACE } from './cases.ts';
import { Dice } from './dice.ts';
import { exampleOf } from './plausible.ts';
import { isReadable, readBackFault } from './read-back.ts';
import { play, shown, shrink } from './run.ts';
import { type Operation, pathFor } from './surface.ts';
import { startTarget, type Target } from './target.ts';

const [FROM, TO] = rangeOf(
  process.env['GANTRY_SEEDS'] ?? (process.env['GANTRY_FULL'] ? '1..200001' : '1..3001'),
);
const CHUNK = 1_000;
/** Beyond the seeds of cases. */
const EXAMPLE_SEEDS = 10_000_000;
/** Only to tell a hang from a slow machine. */
const MOST_MS = 10_000;
const CHUNK_TIMEOUT_MS = 300_000;

function rangeOf(text: string): [number, number] {
  const match = /^(\d+)\.\.(\d+)$/.exec(text);
  if (!match) throw new Error(`GANTRY_SEEDS is like 1..1000, not ${text}`);
  return [Number(match[1]), Number(match[2])];
}

let target: Target;
let slowest = { elapsedMs: 0, seed: 0 };

beforeAll(async () => {
  target = await startTarget();
});
afterAll(() => target.server.stop());

async function failure(failing: FuzzCase, fault: string): Promise<Error> {
  const { alone, request } = await shrink(failing);
  const where = alone ? 'The smallest request that fails' : 'It fails only after others; the request';
  return new Error(`seed ${failing.seed} (GANTRY_SEEDS): ${fault}\n\n${where}:\n${shown(request)}`);
}

const creators = () =>
  target.surface.operations.filter(
    ({ action, subresource, path }) =>
      action === 'post' &&
      subresource === '' &&
      path.includes('/namespaces/') === path.includes('{namespace}'),
  );

it('knows an object of every kind that the server takes and gives back in every form', async () => {
  const made: string[] = [];
  const refused: string[] = [];
  for (const creator of creators().filter((each) => isReadable(target, each))) {
    const object = exampleOf(target.surface, creator, EXAMPLE_SEEDS + made.length, new Dice(1));
    const { status, bytes } = await target.send({
      method: 'POST',
      path: pathFor(creator, NAMESPACE, ''),
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(object)),
    });
    if (status !== 201) {
      refused.push(`${creator.gvk.kind}: ${bytes.toString()}`);
      continue;
    }
    const name = isObject(object['metadata']) ? String(object['metadata']['name']) : '';
    const path = `${pathFor(creator, NAMESPACE, '')}/${name}`;
    expect(await readBackFault(target, path, creator.body)).toBeUndefined();
    made.push(creator.gvk.kind);
  }
  // A few new kinds may still lack an example; without one a kind is only created, never changed.
  expect(made.length, refused.join('\n')).toBeGreaterThan(9 * refused.length);
});

describe('requests of chance never break the server', () => {
  const chunks = Array.from({ length: Math.ceil((TO - FROM) / CHUNK) }, (_, i) => FROM + i * CHUNK);
  it.each(chunks)(
    'seeds from %i',
    async (from) => {
      const statuses = new Set<number>();
      for (let seed = from; seed < Math.min(from + CHUNK, TO); seed++) {
        const played = caseOf(seed, target.surface, target.schemas);
        const { fault, elapsedMs, status } = await play(target, played);
        if (fault) throw await failure(played, fault);
        if (elapsedMs > slowest.elapsedMs) slowest = { elapsedMs, seed };
        statuses.add(status);
      }
      // Cases that are all refused alike would test nothing.
      if (TO - FROM >= CHUNK)
        for (const status of [200, 201, 400, 404, 422]) expect(statuses).toContain(status);
      expect(slowest.elapsedMs, `seed ${slowest.seed} takes long`).toBeLessThan(MOST_MS);
    },
    CHUNK_TIMEOUT_MS,
  );
});

it('plays the same case for the same seed', () => {
  const operation = (seed: number): [Operation, unknown] => {
    const { operation: played, request, before } = caseOf(seed, target.surface, target.schemas);
    return [played, [request, before]];
  };
  for (let seed = 1; seed < 300; seed++) expect(operation(seed)).toEqual(operation(seed));
  expect(operation(1)).not.toEqual(operation(1 + target.surface.operations.length));
});

/** Cases whose answer is an error and changes nothing. */
async function refusedCases(count: number): Promise<FuzzCase[]> {
  const refused: FuzzCase[] = [];
  for (let seed = 1; refused.length < count; seed++) {
    const played = caseOf(seed, target.surface, target.schemas);
    // Versions to come are waited for, and watches last.
    if (/resourceVersion|watch|[tT]imeout/.test(played.request.path)) continue;
    const { status } = await play(target, played);
    if (status >= 400) refused.push(played);
  }
  return refused;
}

function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

it(
  'keeps nothing of what it refuses',
  async () => {
    const refused = await refusedCases(300);
    const round = async () => {
      for (const { request } of refused) await target.send(request);
      target.takeErrors();
    };
    for (let i = 0; i < 3; i++) await round();
    const before = heapAfterCollection();
    for (let i = 0; i < 15; i++) await round();
    const grownBytes = heapAfterCollection() - before;
    // A leak of one kilobyte a request would be 4.5 MB.
    expect(grownBytes).toBeLessThan(4_000_000);
  },
  CHUNK_TIMEOUT_MS,
);
