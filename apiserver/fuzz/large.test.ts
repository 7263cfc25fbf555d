/** Bodies as large as they may be, and texts that are slow to match: at every place of every kind, none takes long. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '#machinery/clock.ts';
import type { JsonObject } from '#machinery/schema/model.ts';
import { BODY_LIMIT_BYTES } from '../encoding/body.ts';
import { NAMESPACE } from './cases.ts';
import { Dice } from './dice.ts';
import { faultOf } from './judge.ts';
import { type Place, placesOf, putAt } from './places.ts';
import { exampleOf } from './plausible.ts';
import { type Operation, pathFor } from './surface.ts';
import { startTarget, type Target } from './target.ts';

const FULL = Boolean(process.env['GANTRY_FULL']);
/** Of each kind, chosen by chance from one seed. */
const TEXT_PLACES = FULL ? 10_000 : 15;
const LARGE_PLACES = FULL ? 10_000 : 1;
/** Of all kinds, for what takes a second each. */
const LARGE_KINDS = FULL ? 10_000 : 12;
/** Only to tell what never ends from a slow machine: a list of a million elements takes a second or two. */
const MOST_MS = 20_000;
const TIMEOUT_MS = FULL ? 3_600_000 : 240_000;

const LONG = 30_000;
const TEXTS = [
  `${'a'.repeat(LONG)}!`,
  `${'a.'.repeat(LONG / 2)}!`,
  '-'.repeat(LONG),
  `${' '.repeat(LONG)}x`,
  `${'0'.repeat(LONG)}x`,
  'a-'.repeat(LONG / 2),
  '/a'.repeat(LONG / 2),
  ':'.repeat(LONG),
  '1.'.repeat(LONG / 2),
  'a,'.repeat(LONG / 2),
  '$('.repeat(LONG / 2),
  '%'.repeat(LONG),
];
const ELEMENTS = ['{}', 'null', '"a"', '1', '[]', '{"name":"a"}', '{"key":"a"}', '{"ip":"192.0.2.1"}'];
const KEYS = ['name', 'key', 'type', 'ip', 'containerPort', 'mountPath'];

let target: Target;
beforeAll(async () => {
  target = await startTarget();
});
afterAll(() => target.server.stop());

const creators = () =>
  target.surface.operations.filter(
    ({ action, subresource, body }) => action === 'post' && subresource === '' && body !== undefined,
  );

/** Some of a list, in an order of chance. */
function some<T>(from: readonly T[], count: number, dice: Dice): T[] {
  return from
    .map((one) => ({ one, rank: dice.below(1e9) }))
    .sort((a, b) => a.rank - b.rank)
    .slice(0, count)
    .map(({ one }) => one);
}

async function send(creator: Operation, what: string, body: Buffer): Promise<void> {
  const request = {
    method: 'POST',
    path: pathFor(creator, NAMESPACE, ''),
    headers: { 'content-type': 'application/json' },
    body,
  };
  const started = systemClock.monotonic();
  const answer = await target.send(request);
  const elapsedMs = systemClock.monotonic() - started;
  expect(target.takeErrors(), what).toEqual([]);
  expect(faultOf(creator, request, answer, target.schemas), what).toBeUndefined();
  // A million faults must not be told one by one.
  expect(answer.bytes.length, what).toBeLessThan(answer.status < 300 ? 2_000_000 : 400_000);
  expect(elapsedMs, what).toBeLessThan(MOST_MS);
}

let names = 0;

/** The text of an object with `text` at a place. */
function withText(creator: Operation, { path }: Place, text: string): Buffer {
  const object: JsonObject = exampleOf(target.surface, creator, ++names, new Dice(1));
  putAt(object, path, 'HERE');
  const [before, after] = JSON.stringify(object).split('"HERE"');
  return Buffer.from(`${before}${text}${after}`);
}

function largeTexts(dice: Dice): string[] {
  const room = BODY_LIMIT_BYTES - 10_000;
  const element = dice.pick(ELEMENTS);
  const key = dice.pick(KEYS);
  const number = key.endsWith('Port');
  const same = Array(Math.floor(room / (element.length + 1))).fill(element);
  const distinct = Array.from({ length: 100_000 }, (_, i) => `{"${key}":${number ? i : `"a${i}"`}}`);
  const texts = Array.from({ length: 150_000 }, (_, i) => `"a${i}"`);
  return [same, distinct, texts].map((elements) => `[${elements.join(',')}]`);
}

function largeMaps(): string[] {
  const members = (name: (i: number) => string) =>
    `{${Array.from({ length: 100_000 }, (_, i) => `"${name(i)}":"x"`).join(',')}}`;
  return [members((i) => `a${i}`), members((i) => `${i}!!`), members((i) => `example.com/a${i}`)];
}

it(
  'texts that are slow to match',
  async () => {
    const dice = new Dice(1);
    for (const creator of creators()) {
      const places = placesOf(target.surface, creator.body!).filter(({ holds }) => holds === 'text');
      for (const place of some(places, TEXT_PLACES, dice))
        for (const text of FULL ? TEXTS : [dice.pick(TEXTS), dice.pick(TEXTS)])
          await send(
            creator,
            `${creator.gvk.kind} ${place.path.join('.')} ${text.slice(0, 4)}`,
            withText(creator, place, JSON.stringify(text)),
          );
    }
  },
  TIMEOUT_MS,
);

it(
  'lists and maps of megabytes',
  async () => {
    const dice = new Dice(1);
    for (const creator of some(creators(), LARGE_KINDS, dice)) {
      const places = placesOf(target.surface, creator.body!).filter(({ holds }) => holds !== 'text');
      for (const place of some(places, LARGE_PLACES, dice)) {
        const texts = place.holds === 'list' ? largeTexts(dice) : largeMaps();
        for (const text of FULL ? texts : [dice.pick(texts)])
          await send(
            creator,
            `${creator.gvk.kind} ${place.path.join('.')} ${text.slice(0, 20)}`,
            withText(creator, place, text),
          );
      }
    }
  },
  TIMEOUT_MS,
);
