import { describe, expect, test } from 'vitest';
import type { NativeRuntime } from './index.ts';
import { lifecycles } from './lifecycles.ts';
import { nodeOfSuite, type TestNode, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();
const TOTAL = 240;
/** An allocator's slack; a kilobyte lost with each pod is more. */
const HELPER_SLACK_KB = 128;

describe.skipIf(reason !== undefined)(`lifecycles (${reason ?? 'as root'})`, () => {
  let node: TestNode;
  let runtime: NativeRuntime;

  nodeOfSuite((made, opened) => {
    [node, runtime] = [made, opened];
  });

  test(`${TOTAL} pods of every sort, four at a time, leave nothing behind`, async () => {
    const { before, after, helperKb } = await lifecycles(node, runtime, TOTAL, 4);
    expect(after).toEqual(before);
    expect(helperKb.after - helperKb.before).toBeLessThan(HELPER_SLACK_KB);
  }, 60_000);
});
