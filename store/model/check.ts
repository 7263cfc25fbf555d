/**
 * The check of a store against its contract: random work of many clients from one seed, and, when it finds something,
 * the smallest work that still shows it.
 */
import { type Random, seededRandom } from '#machinery/random.ts';
import { makeRound, type Round } from './program.ts';
import { ModelRun, type Subject } from './run.ts';
import { Violation } from './violation.ts';

export interface CheckOptions {
  seed: number;
  steps: number;
  /** A new, empty store each time. */
  open(): Promise<Subject & { close(): Promise<void> }>;
  /** Runs spent on making a failure small. Default 300. */
  shrinkRuns?: number;
}

/** What was found; `transcript` is what the clients saw in the smallest run that fails. */
export class ModelCheckError extends Error {
  override readonly name = 'ModelCheckError';
  readonly transcript: readonly string[];
  constructor(seed: number, found: Found) {
    super(`seed ${seed}: ${found.message}\n${found.transcript.join('\n')}`);
    this.transcript = found.transcript;
  }
}

interface Found {
  message: string;
  transcript: string[];
}

/** Resolves when the store did all as it promises; rejects with a ModelCheckError. */
export async function checkStore(options: CheckOptions): Promise<void> {
  const random = seededRandom(options.seed);
  const done: Round[] = [];
  const found = await run(options, nextRound(options.steps, random, done));
  if (!found) return;
  throw new ModelCheckError(options.seed, await shrink(options, done, found));
}

function* nextRound(steps: number, random: Random, done: Round[]): Iterable<Round> {
  for (let did = 0; did < steps; ) {
    const round = makeRound(random);
    did += round.steps.length;
    done.push(round);
    yield round;
  }
}

async function run(options: CheckOptions, rounds: Iterable<Round>): Promise<Found | undefined> {
  const subject = await options.open();
  const model = await ModelRun.on(subject);
  const transcript: string[] = [];
  try {
    for (const round of rounds) {
      await model.round(round);
      transcript.push(...model.transcript);
      transcript.splice(0, transcript.length - TRANSCRIPT_LINES);
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { message: error.message, transcript: [...transcript, ...model.transcript] };
  } finally {
    model.stop();
    await subject.close();
  }
}

/** Enough to read; a shrunk run has far fewer. */
const TRANSCRIPT_LINES = 100;
const SHRINK_RUNS = 300;

/** Takes out rounds, then steps, in ever smaller parts, as long as what is left still fails. */
async function shrink(options: CheckOptions, rounds: Round[], first: Found): Promise<Found> {
  let left = options.shrinkRuns ?? SHRINK_RUNS;
  let best = { rounds, found: first };
  const attempt = async (fewer: Round[]) => {
    if (left-- <= 0) return false;
    const found = await run(options, fewer);
    if (found) best = { rounds: fewer, found };
    return found !== undefined;
  };
  await without(rounds, attempt);
  const single = best.rounds.flatMap(({ steps, advanceMs }, round) =>
    steps.map((step, i) => ({ step, round, advanceMs: i === steps.length - 1 ? advanceMs : 0 })),
  );
  await without(single, (kept) => {
    const grouped = Map.groupBy(kept, ({ round }) => round).values();
    return attempt(
      [...grouped].map((parts) => ({
        steps: parts.map(({ step }) => step),
        advanceMs: parts.reduce((sum, { advanceMs }) => sum + advanceMs, 0),
      })),
    );
  });
  return best.found;
}

/** Removes parts of a list, half of it first, as long as `stillFails`. */
async function without<T>(items: T[], stillFails: (kept: T[]) => Promise<boolean>): Promise<void> {
  let kept = items;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < kept.length; ) {
      const fewer = kept.toSpliced(at, size);
      if (fewer.length > 0 && (await stillFails(fewer))) kept = fewer;
      else at += size;
    }
  }
}
