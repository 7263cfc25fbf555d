import { writeFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule } from 'vitest/node';
import type { Outcome } from './suites.ts';

/** Counts tests and keeps the reason of each that failed or was skipped, for the summary of hack/test. */
export default class OutcomeReporter implements Reporter {
  readonly #outcome: Outcome = { passed: [], failures: [], skips: [], flaky: [], failedFiles: [] };

  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    const name = `${test.module.relativeModuleId}: ${test.fullName}`;
    if (result.state === 'passed') this.#outcome.passed.push(name);
    else if (result.state === 'failed') this.#outcome.failures.push(name);
    else if (result.state === 'skipped')
      this.#outcome.skips.push(`${name}: ${result.note ?? 'no reason given'}`);
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    for (const module of modules) {
      // A file that fails outside its tests (an import, a hook) would else count for nothing.
      const suites = [...module.children.allSuites()];
      for (const error of [module, ...suites].flatMap((one) => one.errors()))
        this.#outcome.failures.push(`${module.relativeModuleId}: ${error.message}`);
      if (module.state() === 'failed') this.#outcome.failedFiles.push(module.relativeModuleId);
    }
    for (const error of errors) this.#outcome.failures.push(`unhandled: ${(error as Error).message}`);
    const path = process.env['GANTRY_OUTCOME'];
    if (path) writeFileSync(path, JSON.stringify(this.#outcome));
  }
}
