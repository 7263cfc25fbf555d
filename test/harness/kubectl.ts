import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** kubectl versions the product promises to work with, of those the tests look for. */
export const KUBECTL_VERSIONS = ['1.32', '1.33'] as const;
/** It ends before its garbage is worth collecting: a sixth less processor time, over thousands of starts. */
export const KUBECTL_ENV = { GOGC: 'off' };

export type KubectlVersion = (typeof KUBECTL_VERSIONS)[number];

/** The binary of a version: `kubectl.1.NN` beside the one on the PATH, or that one itself when it has the version. */
export function findKubectl(version: string): string | undefined {
  const onPath = pathOf('kubectl');
  if (!onPath) return undefined;
  const beside = join(dirname(realpathSync(onPath)), `kubectl.${version}`);
  if (existsSync(beside)) return beside;
  const said = execFileSync(onPath, ['version', '--client', '-o', 'json'], { encoding: 'utf8' });
  return said.includes(`"v${version}.`) ? onPath : undefined;
}

/** The best kubectl there is, for tests that do not care about its version. */
export function anyKubectl(): string {
  for (const version of [...KUBECTL_VERSIONS].reverse()) {
    const found = findKubectl(version);
    if (found) return found;
  }
  const found = pathOf('kubectl');
  if (!found) throw new Error('no kubectl on the PATH: run hack/setup');
  return found;
}

function pathOf(command: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(':')
    .map((directory) => join(directory, command))
    .find((path) => existsSync(path));
}
