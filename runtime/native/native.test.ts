import { describe } from 'vitest';
import { runtimeConformance } from '../conformance.ts';
import { nativeHarness, whyNoRoot } from './test-root.ts';

const reason = whyNoRoot();

describe.skipIf(reason !== undefined)(`native runtime (${reason ?? 'as root'})`, () => {
  runtimeConformance('native', nativeHarness);
});
