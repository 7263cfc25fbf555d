/**
 * The same commands with four versions of kubectl against the control plane, with exact output. `name.txt` is what the
 * newest prints; `name.1.NN.txt` stands for it where an older one has other words or other requests. GANTRY_BLESS=1
 * rewrites both.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Served } from '#apiserver/testing/served.ts';
import { findKubectl, KUBECTL_ENV } from '../harness/kubectl.ts';
import { blessSteps, type Outcome, playSteps } from '../harness/play.ts';
import { run } from '../harness/run.ts';
import { formatTranscript, normalize, parseTranscript, type Transcript } from '../harness/transcript.ts';
import { openControlPlane } from './control-plane.ts';

/** Newest first: it writes what the others are compared with. */
const VERSIONS = ['1.33', '1.31', '1.29', '1.27'];
const FOLDER = new URL('transcripts', import.meta.url).pathname;
const NAMES = readdirSync(FOLDER)
  .filter((name) => /^[a-z-]+\.txt$/.test(name))
  .map((name) => name.slice(0, -'.txt'.length));
const BLESS = process.env['GANTRY_BLESS'] !== undefined;

for (const version of VERSIONS) {
  describe(`kubectl ${version}`, () => {
    // Most of the time is spent in waiting; who blesses compares with what the newest has just written.
    const play = BLESS ? test : test.concurrent;
    for (const name of NAMES) {
      play(name, async (context) => {
        const binary = findKubectl(version);
        if (!binary) return context.skip(`kubectl ${version} is not on this machine`);
        const plane = await openControlPlane();
        try {
          const shell = await shellOf(plane, binary);
          if (BLESS) await bless(name, version, shell);
          else await playSteps(read(fileOf(name, version)), shell);
        } finally {
          await plane.stop();
        }
      });
    }
  });
}

function ownFile(name: string, version: string): string {
  return join(FOLDER, `${name}.${version}.txt`);
}

function fileOf(name: string, version: string): string {
  const own = ownFile(name, version);
  return existsSync(own) ? own : join(FOLDER, `${name}.txt`);
}

function read(path: string): Transcript {
  return parseTranscript(readFileSync(path, 'utf8'));
}

/** An older version keeps a file of its own only when it differs from the newest. */
async function bless(name: string, version: string, shell: (command: string) => Promise<Outcome>) {
  const shared = join(FOLDER, `${name}.txt`);
  const transcript = read(shared);
  const wrong = await blessSteps(transcript, shell);
  const text = formatTranscript(transcript);
  const isNewest = version === VERSIONS[0];
  const path = isNewest ? shared : ownFile(name, version);
  if (isNewest || text !== readFileSync(shared, 'utf8')) writeFileSync(path, text);
  else rmSync(path, { force: true });
  expect(wrong).toEqual([]);
}

/** Runs commands as the administrator, in a namespace `t`, with `kubectl` of the wanted version. */
async function shellOf({ kubeconfig, client, home, port }: Served, binary: string) {
  const bin = join(home, 'bin');
  mkdirSync(bin);
  symlinkSync(binary, join(bin, 'kubectl'));
  const admin = await kubeconfig('admin', await client('admin', ['system:masters']));
  const ann = await kubeconfig('ann', await client('ann', ['dev']));
  const env = {
    ...KUBECTL_ENV,
    PATH: `${bin}:${process.env['PATH']}`,
    ...{ HOME: home, KUBECONFIG: admin, ANN: ann, KUBECACHEDIR: join(home, 'cache'), TZ: 'UTC' },
  };
  const shell = async (command: string): Promise<Outcome> => {
    const { code, stdout, stderr } = await run('sh', ['-c', command], { env, cwd: FOLDER });
    const text = `${stdout}${stderr}`
      .replaceAll(`127.0.0.1:${port}`, '<server>')
      .replaceAll(home, '<home>')
      // Ours, of kinds that no controller looks after: it goes when one does.
      .replace(/^Warning: .* are kept, but nothing acts on them yet\n/gm, '');
    return { code, output: normalize(text) };
  };
  const made = await shell(
    'kubectl create namespace t && kubectl config set-context --current --namespace=t',
  );
  expect(made.code).toBe(0);
  return shell;
}
