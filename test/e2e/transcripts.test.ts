import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../harness/cluster.ts';
import { whyNoHost } from '../harness/host.ts';
import { findKubectl, KUBECTL_VERSIONS } from '../harness/kubectl.ts';
import { blessSteps, type Outcome, playSteps } from '../harness/play.ts';
import { formatTranscript, normalize, parseTranscript } from '../harness/transcript.ts';

const FOLDER = new URL('../transcripts', import.meta.url).pathname;
const NAMES = readdirSync(FOLDER)
  .filter((name) => /^[a-z-]+\.txt$/.test(name))
  .map((name) => name.slice(0, -'.txt'.length));
const BLESS = process.env['GANTRY_BLESS'] !== undefined;

const DELETE_ALL = ['delete', 'deployments,replicasets,pods'];

function ownFile(name: string, version: string): string {
  return join(FOLDER, `${name}.${version}.txt`);
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
      if (BLESS) {
        const wrong = await blessSteps(transcript, runStep);
        writeFileSync(path, formatTranscript(transcript));
        expect(wrong).toEqual([]);
      } else await playSteps(transcript, runStep);
    } finally {
      // Nothing to learn from waiting for programs that ignore SIGTERM.
      await cluster.must([...DELETE_ALL, '--all', '--grace-period=1', '--wait=false']);
      await cluster.must(['delete', 'namespace', 't', '--wait=true', '--timeout=60s']);
    }
  }

  async function runStep(command: string): Promise<Outcome> {
    const script = `kubectl() { ${cluster.kubectlBinary} "$@"; }\nexport EDITOR=true\ncd ${FOLDER}\n${command}`;
    const ran = await cluster.inside('sh', ['-c', script], { timeoutMs: 90_000 });
    return { code: ran.code, output: normalize(`${ran.stdout}${ran.stderr}`) };
  }
});
