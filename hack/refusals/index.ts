/** Runs the tests of validation and finds the refusals that none of them has met. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isJudging, sitesOf } from './sites.ts';

export interface SourceText {
  path: string;
  lines: readonly string[];
}

/** `path:line: message` for each site without a rejecting case. */
export function unmetRefusals(root: string, files: readonly SourceText[]): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-refusals-'));
  try {
    const { status, stdout, stderr } = spawnSync(
      join(root, 'node_modules', '.bin', 'vitest'),
      ['run', '--config', 'hack/refusals/vitest.config.ts', '--reporter=dot'],
      { cwd: root, encoding: 'utf8', env: { ...process.env, GANTRY_REFUSALS: directory } },
    );
    if (status !== 0)
      return [`the tests of api/ fail: ${`${stdout}${stderr}`.trim().split('\n').slice(-15).join('\n')}`];
    const path = join(directory, 'hit');
    const hit = new Set(existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []);
    const judging = files.filter((file) => isJudging(file.path) && !file.path.endsWith('.test.ts'));
    return judging
      .flatMap((file) => sitesOf(file.path, file.lines.join('\n')))
      .filter((site) => !hit.has(site))
      .map((site) => `${site}: no test meets this refusal`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
