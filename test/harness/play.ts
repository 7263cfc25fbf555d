/** Plays the steps of a transcript, whoever runs the commands. */
import { expect } from 'vitest';
import { eventually } from './run.ts';
import type { Step, Transcript } from './transcript.ts';

export interface Outcome {
  code: number;
  /** Normalized. */
  output: string;
}

export type RunStep = (command: string) => Promise<Outcome>;

/** Each step as it is written; fails at the first that is not. */
export async function playSteps({ steps }: Transcript, run: RunStep): Promise<void> {
  for (const step of steps) {
    const { code, output } = await perform(step, run);
    const exit = wrongExit(step, code) ? `\nexit code ${code}` : '';
    expect(`$ ${step.command}\n${output}${exit}`).toBe(`$ ${step.command}\n${step.output}`);
  }
}

/** Puts what there is now into the steps, and tells of which the exit code is wrong. */
export async function blessSteps({ steps }: Transcript, run: RunStep): Promise<string[]> {
  const wrong: string[] = [];
  for (const step of steps) {
    const { code, output } = step.mode === 'until' ? await settled(step, run) : await run(step.command);
    step.output = output;
    if (wrongExit(step, code)) wrong.push(`${step.command}: exit code ${code}`);
  }
  return wrong;
}

function wrongExit({ mode }: Step, code: number): boolean {
  return mode !== 'until' && (code === 0) !== (mode === 'ok');
}

async function perform(step: Step, run: RunStep): Promise<Outcome> {
  if (step.mode !== 'until') return run(step.command);
  let last: Outcome = { code: 0, output: '' };
  return eventually('the output is as written', async () => {
    last = await run(step.command);
    return last.output === step.output ? last : undefined;
  }).catch(() => last);
}

/** What a step prints once it has printed the same for three seconds. */
async function settled({ command }: Step, run: RunStep): Promise<Outcome> {
  let last = await run(command);
  let same = 0;
  await eventually(
    `the output of ${command} settles`,
    async () => {
      const now = await run(command);
      same = now.output === last.output ? same + 1 : 0;
      last = now;
      return same >= 12 || undefined;
    },
    { everyMs: 250 },
  );
  return last;
}
