import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { findKubectl, KUBECTL_VERSIONS } from '../harness/kubectl.ts';
import { eventually } from '../harness/run.ts';
import { formatTranscript, normalize, parseTranscript, type Step } from '../harness/transcript.ts';

const FOLDER = new URL('../transcripts', import.meta.url).pathname;
const NAMES = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));
const BLESS = process.env['GANTRY_BLESS'] !== undefined;

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

  for (const version of BLESS ? (['1.33'] as const) : KUBECTL_VERSIONS) {
    for (const file of NAMES) {
      test(`kubectl ${version}: ${file}`, async (context) => {
        const missing =
          whyNoHost() ?? (findKubectl(version) ? undefined : `kubectl ${version} is not on this machine`);
        if (missing) context.skip(missing);
        await play(file, version);
      });
    }
  }

  /** Each transcript has a namespace of its own, `t`, made before and removed after it. */
  async function play(file: string, version: string): Promise<void> {
    const path = join(FOLDER, file);
    const transcript = parseTranscript(readFileSync(path, 'utf8'));
    cluster.kubectlBinary = findKubectl(version)!;
    await cluster.must(['create', 'namespace', 't']);
    await cluster.must(['config', 'set-context', '--current', '--namespace=t']);
    try {
      for (const step of transcript.steps) {
        const output = await perform(step);
        if (BLESS) step.output = output;
        else expect(`$ ${step.command}\n${output}`).toBe(`$ ${step.command}\n${step.output}`);
      }
    } finally {
      await cluster.must(['delete', 'namespace', 't', '--wait=true', '--timeout=60s']);
    }
    if (BLESS) writeFileSync(path, formatTranscript(transcript));
  }

  async function perform(step: Step): Promise<string> {
    if (step.mode !== 'until' || BLESS) return runStep(step);
    let last = '';
    return eventually('the output is as written', async () => {
      last = await runStep(step);
      return last === step.output ? last : undefined;
    }).catch(() => last);
  }

  async function runStep({ command, mode }: Step): Promise<string> {
    const script = `kubectl() { ${cluster.kubectlBinary} "$@"; }\nexport EDITOR=true\ncd ${FOLDER}\n${command}`;
    const ran = await cluster.inside('sh', ['-c', script], { timeoutMs: 90_000 });
    if (mode !== 'until')
      expect(`exit code ${ran.code === 0 ? 0 : 'not 0'}: ${ran.stderr}`).toContain(
        mode === 'ok' ? 'exit code 0' : 'not 0',
      );
    return normalize(`${ran.stdout}${ran.stderr}`);
  }
});
