import { describe } from 'vitest';
import { runtimeConformance } from '../conformance.ts';
import { nativeHarness, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();
const PATH = process.env['PATH'];

describe.skipIf(reason !== undefined)(`OCI runtimes (${reason ?? 'as root'})`, () => {
  for (const handler of ['runc', 'crun']) {
    runtimeConformance(`native through ${handler}`, () => nativeHarness(handler, PATH));
  }
});
