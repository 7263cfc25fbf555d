import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BaseSequencer, type TestSequencerConstructor, type TestSpecification } from 'vitest/node';

const ROOT = join(import.meta.dirname, '../..');

/**
 * An order of test files in which these come first, as they stand here, and then all others: what takes long would, begun last, be
 * waited for alone.
 *
 * @param paths relative to the root of the checkout
 * @throws when one of them is not there
 */
export function beginWith(paths: readonly string[]): TestSequencerConstructor {
  const files = paths.map((path) => join(ROOT, path));
  const missing = files.filter((file) => !existsSync(file));
  if (missing.length > 0) throw new Error(`no such test files: ${missing.join(', ')}`);
  const rank = ({ moduleId }: TestSpecification) => {
    const at = files.indexOf(moduleId);
    return at === -1 ? files.length : at;
  };
  return class extends BaseSequencer {
    override async sort(all: TestSpecification[]): Promise<TestSpecification[]> {
      return (await super.sort(all)).sort((one, other) => rank(one) - rank(other));
    }
  };
}
