import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

test('the benchmarks load without the test runner, and say what there is', () => {
  const index = join(import.meta.dirname, 'index.ts');
  expect(execFileSync(process.execPath, [index, '--help'], { encoding: 'utf8' })).toContain('runtime');
});
