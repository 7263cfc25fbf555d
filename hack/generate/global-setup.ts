/** Before the tests: the generated files, when they are missing or older than what they are made from. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeGenerated } from './index.ts';

const ROOT = join(import.meta.dirname, '../..');

export default function setup(): void {
  const made = join(ROOT, 'generated/schemas.json');
  if (existsSync(made) && modified(made) > newestSource()) return;
  writeGenerated(ROOT);
}

function newestSource(): number {
  const folders = ['api/tables', 'hack/generate'].map((folder) => join(ROOT, folder));
  return Math.max(
    ...folders.flatMap((folder) => readdirSync(folder).map((name) => modified(join(folder, name)))),
  );
}

function modified(path: string): number {
  return statSync(path).mtimeMs;
}
