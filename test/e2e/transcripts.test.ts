import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { findKubectl, KUBECTL_VERSIONS } from '../harness/kubectl.ts';
import { eventually } from '../harness/run.ts';
import {
  formatTranscript,
  normalize,
  parseTranscript,
  type Step,
  type Transcript,
} from '../harness/transcript.ts';

const FOLDER = new URL('../transcripts', import.meta.url).pathname;
const NAMES = readdirSync(FOLDER)
  .filter((name) => /^[a-z-]+\.txt$/.test(name))
  .map((name) => name.slice(0, -'.txt'.length));
const BLESS = process.env['GANTRY_BLESS'] !== undefined;

const DELETE_ALL = ['delete', 'deployments,replicasets,pods'];

function ownFile(name: string, version: string): string {
  return join(FOLDER, `${name}.${version}.txt`);
}

interface Outcome {
  code: number;
  output: string;
}

describe('transcripts', () => {
  const cluster = new TestCluster();

  beforeAll(async () => {
    if (whyNoHost()) return;
    await cluster.start();
    await cluster.loadImages(['gantry/busybox:1', 'gantry/hello:1', 'gantry/hello:2']);
  });
  afterAll(async () => {
    if (whyNoHost()) return;
    expect(await cluster.destroy()).toEqual([]);
  });

  for (const version of KUBECTL_VERSIONS) {
    for (const name of NAMES) {
      // The newest version writes what all share, and an older one only what is its own.
      if (BLESS && version !== KUBECTL_VERSIONS.at(-1) && !existsSync(ownFile(name, version))) continue;
      test(`kubectl ${version}: ${name}`, async (context) => {
        const missing =
          whyNoHost() ?? (findKubectl(version) ? undefined : `kubectl ${version} is not on this machine`);
        if (missing) context.skip(missing);
        await play(fileOf(name, version), version);
      });
    }
  }

  /** `name.txt`, or `name.1.NN.txt` where that version of kubectl says it in other words. */
  function fileOf(name: string, version: string): string {
    const own = ownFile(name, version);
    return existsSync(own) ? own : join(FOLDER, `${name}.txt`);
  }

  /** Each transcript has a namespace of its own, `t`, made before and removed after it. */
  async function play(path: string, version: string): Promise<void> {
    const transcript = parseTranscript(readFileSync(path, 'utf8'));
    cluster.kubectlBinary = findKubectl(version)!;
    await cluster.must(['create', 'namespace', 't']);
    await cluster.must(['config', 'set-context', '--current', '--namespace=t']);
    try {
      if (BLESS) await bless(transcript, path);
      else for (const step of transcript.steps) expectStep(step, await perform(step));
    } finally {
      // Nothing to learn from waiting for programs that ignore SIGTERM.
      await cluster.must([...DELETE_ALL, '--all', '--grace-period=1', '--wait=false']);
      await cluster.must(['delete', 'namespace', 't', '--wait=true', '--timeout=60s']);
    }
  }

  /** Writes what there is now, all of it, and then fails for the steps whose exit code is wrong. */
  async function bless(transcript: Transcript, path: string): Promise<void> {
    const wrong: string[] = [];
    for (const step of transcript.steps) {
      const ran = step.mode === 'until' ? await settled(step) : await runStep(step);
      step.output = ran.output;
      if (wrongExit(step, ran.code)) wrong.push(`${step.command}: exit code ${ran.code}`);
    }
    writeFileSync(path, formatTranscript(transcript));
    expect(wrong).toEqual([]);
  }

  function expectStep(step: Step, { code, output }: Outcome): void {
    const exit = wrongExit(step, code) ? `\nexit code ${code}` : '';
    expect(`$ ${step.command}\n${output}${exit}`).toBe(`$ ${step.command}\n${step.output}`);
  }

  function wrongExit({ mode }: Step, code: number): boolean {
    return mode !== 'until' && (code === 0) !== (mode === 'ok');
  }

  async function perform(step: Step): Promise<Outcome> {
    if (step.mode !== 'until') return runStep(step);
    let last: Outcome = { code: 0, output: '' };
    return eventually('the output is as written', async () => {
      last = await runStep(step);
      return last.output === step.output ? last : undefined;
    }).catch(() => last);
  }

  /** What a step prints once it has printed the same for three seconds. */
  async function settled(step: Step): Promise<Outcome> {
    let last = await runStep(step);
    let same = 0;
    await eventually(
      `the output of ${step.command} settles`,
      async () => {
        const now = await runStep(step);
        same = now.output === last.output ? same + 1 : 0;
        last = now;
        return same >= 12 || undefined;
      },
      { everyMs: 250 },
    );
    return last;
  }

  async function runStep({ command }: Step): Promise<Outcome> {
    const script = `kubectl() { ${cluster.kubectlBinary} "$@"; }\nexport EDITOR=true\ncd ${FOLDER}\n${command}`;
    const ran = await cluster.inside('sh', ['-c', script], { timeoutMs: 90_000 });
    return { code: ran.code, output: normalize(`${ran.stdout}${ran.stderr}`) };
  }
});
